"""`sim2edge eval --report`, as a user calls it."""

import json
from pathlib import Path

import pytest

from policies.evaluation.quantities import number
from sim2edge.__main__ import main as sim2edge
from tests.policies.report.page_reader import Reader
from tests.policies.results import read_results


def test_eval_writes_a_page_with_the_figures_of_its_json(trained: Path, tmp_path: Path) -> None:
    page, result, gate = (tmp_path / name for name in ("page.html", "result.json", "gate.json"))
    gate.write_text('{"at_least": {"survival": 0.0}, "at_most": {"velocity_error": 0.0}}')
    words = ["eval", trained / "policy.onnx", "--episodes", 3, "--seconds", 0.2, "--json", result]
    words += ["--gate", gate, "--report", page]
    assert sim2edge([str(word) for word in words]) == 1
    measured = json.loads(result.read_text())["result"]
    read = Reader(page.read_text())
    bounds = {row[0]: row[1:] for row in read.tables["Bounds of the gate"][1:]}
    for name, shown in (("survival", "survival"), ("velocity_error", "velocity error m/s")):
        assert bounds[shown][2] == number(measured[name], 4)
    assert [row[0] for row in bounds.values()] == ["✓ met", "✗ missed"]
    assert "Gate missed" in read.text
    assert len(read.tables["Every trial in MuJoCo"]) == 4


def test_a_place_that_cannot_be_written_gets_one_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = ["eval", trained / "policy.onnx", "--episodes", 1, "--seconds", 0.1]
    assert sim2edge([*map(str, words), "--report", str(tmp_path / "file" / "page.html")]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


@pytest.mark.parametrize(
    "films", [pytest.param(True, marks=pytest.mark.slow), False], ids=["films", "no films"]
)
def test_a_suite_writes_a_page_with_its_trials(
    films: bool, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not films:
        monkeypatch.setenv("MUJOCO_GL", "nothing")
    page, result = tmp_path / "page.html", tmp_path / "result.json"
    flat = tmp_path / "flat.json"
    flat.write_text('{"suite": "gauntlet", "walking": {"slope": 0, "step": 0}}')
    words = ["eval", trained / "policy.onnx", "--suite", flat, "--trials", 2, "--seed", 3]
    assert sim2edge([*map(str, words), "--json", str(result), "--report", str(page)]) == 0
    (suite,) = read_results(result)
    read = Reader(page.read_text())
    rows = read.tables["Every trial in MuJoCo"]
    shown = [dict(zip(rows[0], row)) for row in rows[1:]]
    assert [row["what happened"] for row in shown] == [t.why for t in suite.trials]
    assert [row["to see it again"] for row in shown] == [suite.replay(t) for t in suite.trials]
    assert read.tables["Trials completed, by engine"][1][2] == "0"  # it learned for a second
    assert read.tags.count("video") == (2 if films else 0)
    assert ("There are no films" in read.text) != films
