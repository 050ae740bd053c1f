"""Tests the folder in which a learner works."""

from pathlib import Path

from edge_runtime.learning.process.workplace import VerdictNote, Workplace
from edge_runtime.learning.tier import Proposal


def test_beginning_anew_removes_what_a_learner_left_and_nothing_else(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    place.clear()
    place.propose(1, "trim", Proposal(b"model", "why", {}))
    place.judge(1, VerdictNote(1, True, "good"))
    place.report({"seconds": 1.0})
    place.set_pause("hot")
    (tmp_path / "checkpoint.npz").write_bytes(b"state")
    (tmp_path / "job.json").write_text("{}")
    audit = tmp_path / "audit"
    audit.mkdir()
    (audit / "log").write_text("precious")
    (tmp_path / "notes.txt").write_text("precious")
    place.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit", "notes.txt"]
    assert (audit / "log").read_text() == "precious"
