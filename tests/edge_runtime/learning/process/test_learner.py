"""A learner turns ticks into rows, proposes, hears verdicts, and goes on after a crash."""

import hashlib
import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Flag
from edge_runtime.experience.reader import ExperienceReader
from edge_runtime.keys.key_file import new_key, write_key
from edge_runtime.learning.process.job import LearnJob, StoreConfig, read_job
from edge_runtime.learning.process.learner import CHECKPOINT_FILE, Learner
from edge_runtime.learning.process.workplace import VerdictNote, Workplace
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from tests.edge_runtime.learning.process.proposing import Proposing, fed
from tests.edge_runtime.leg import LegRobot, make_contract, make_model

MODEL = make_model(make_contract())


@contextmanager
def learning(loop: ControlLoop, folder: Path, **job: Any) -> Iterator[tuple[Learner, LearnJob]]:
    with fed(loop, folder, MODEL, **job) as (_, todo):
        learner = Learner(folder, todo)
        yield learner, todo
        learner.close()


def tick(loop: ControlLoop, learner: Learner, count: int) -> None:
    for _ in range(count):
        loop.tick()
    while learner.step():
        pass


def tier_of(learner: Learner) -> Proposing:
    tier = learner._tiers[0]
    assert isinstance(tier, Proposing)
    return tier


def progress(folder: Path) -> dict[str, Any]:
    return Workplace(folder).progress()


def test_it_proposes_and_hears_what_became_of_it(loop: ControlLoop, tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    with learning(loop, tmp_path) as (learner, todo):
        assert read_job(tmp_path) == todo
        tick(loop, learner, 152)
        ((number, note),) = place.proposals(0)
        assert (number, note.tier, note.numbers) == (1, "proposing", {"seed": 1.0})
        model = place.model(1)
        assert note.sha256 == hashlib.sha256(model).hexdigest() == Policy(model).sha256
        tick(loop, learner, 300)
        assert len(place.proposals(0)) == 1  # one at a time
        place.judge(1, VerdictNote(1, True, "no fault"))
        loop.swap(Policy(model))
        tick(loop, learner, 60)
        tier = tier_of(learner)
        assert tier.heard == ["seed 1 True: no fault"]
        assert tier.drivers[-1] == model
        place.judge(2, VerdictNote(1, False, "rolled back"))
        tick(loop, learner, 1)
        assert tier.heard[-1] == "seed 1 False: rolled back"
        assert tier.drivers[-1] == MODEL


def test_rows_of_a_policy_on_trial_are_kept_from_a_tier_that_knows_the_driver_alone(
    loop: ControlLoop, tmp_path: Path
) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 51)
        loop.swap(Policy(make_model(make_contract(), 5)))
        tick(loop, learner, 50)
        loop.swap(Policy(MODEL))
        tick(loop, learner, 51)
        tier = tier_of(learner)
        assert tier.numbers == [*range(51), *range(101, 151)]
        assert tier.flags[50] == Flag.CUT
        assert not any(tier.flags[:50])


def test_a_fall_ends_an_episode(loop: ControlLoop, robot: LegRobot, tmp_path: Path) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 20)
        robot.lean(1.5)
        tick(loop, learner, 300)
        fell = next(r for r in loop.guard.rules if r.fault.name == "TILT")
        last = loop.guard.first_tripped[loop.guard.rules.index(fell)]
        robot.lean(0.0)
        loop.reset()
        tick(loop, learner, 200)
        tier = tier_of(learner)
        assert last is not None
        assert tier.numbers[: last + 1][-1] != last  # nothing of the policy's is in that tick
        at = tier.numbers.index(last - 1)
        assert tier.flags[at] == Flag.END
        assert tier.numbers[at + 1] >= 320
        assert progress(tmp_path)["falls"] == 1


def test_missing_ticks_cut_an_episode(loop: ControlLoop, tmp_path: Path) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 10)
        loop.tick(missed=1)
        tick(loop, learner, 60)
        assert tier_of(learner).flags[9:11] == [Flag.CUT, 0]


def test_a_pause_stops_learning_and_cuts_the_episode(loop: ControlLoop, tmp_path: Path) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 51)
        Workplace(tmp_path).set_pause("battery 12 %")
        tick(loop, learner, 200)
        tier = tier_of(learner)
        assert tier.numbers[-1] <= 50 and progress(tmp_path)["paused"] == "battery 12 %"
        Workplace(tmp_path).set_pause("")
        tick(loop, learner, 60)
        assert tier.numbers[-1] >= 300 and progress(tmp_path)["paused"] == ""


def test_it_goes_on_after_a_crash(loop: ControlLoop, tmp_path: Path) -> None:
    with fed(loop, tmp_path, MODEL) as (_, todo):
        learner = Learner(tmp_path, todo)
        tick(loop, learner, 152)  # it has proposed, and so it has written a checkpoint
        before = tier_of(learner).state()
        successor = Learner(tmp_path, todo)  # as after kill -9: the first one closed nothing
        assert tier_of(successor).state() == before
        assert progress(tmp_path)["proposals"] == 1
        Workplace(tmp_path).judge(1, VerdictNote(1, False, "it trips"))
        tick(loop, successor, 152)
        assert tier_of(successor).heard == ["seed 1 False: it trips"]
        assert [n for n, _ in Workplace(tmp_path).proposals(0)] == [1, 2]


def test_a_proposal_that_came_after_the_checkpoint_keeps_its_number(
    loop: ControlLoop, tmp_path: Path
) -> None:
    with fed(loop, tmp_path, MODEL) as (_, todo):
        tick(loop, Learner(tmp_path, todo), 152)
        (tmp_path / CHECKPOINT_FILE).unlink()  # it was killed right before it wrote that
        successor = Learner(tmp_path, todo)
        tick(loop, successor, 152)
        assert [n for n, _ in Workplace(tmp_path).proposals(0)] == [1, 2]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"x" * 5000])
def test_a_damaged_checkpoint_begins_anew_and_says_so(
    loop: ControlLoop, tmp_path: Path, damage: bytes
) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 152)
    (tmp_path / CHECKPOINT_FILE).write_bytes(damage)
    with learning(loop, tmp_path) as (learner, _):
        assert "learning began anew" in progress(tmp_path)["note"]
        tick(loop, learner, 60)
        assert tier_of(learner).seed == 0 and tier_of(learner).numbers


def test_a_checkpoint_of_other_tiers_begins_anew(loop: ControlLoop, tmp_path: Path) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 152)
    name = "tests.edge_runtime.learning.process.proposing:proposing"
    with learning(loop, tmp_path, tiers=(name, name)) as (learner, _):
        assert "learning began anew" in progress(tmp_path)["note"]


def test_the_store_keeps_the_rows(loop: ControlLoop, tmp_path: Path) -> None:
    key, store = new_key(), tmp_path / "store"
    write_key(tmp_path / "key", key)
    with learning(loop, tmp_path / "work", store=StoreConfig(store, tmp_path / "key")) as (
        learner,
        _,
    ):
        tick(loop, learner, 101)
    rows = np.concatenate([r for s in ExperienceReader(store, key).segments() for r in s.rows()])
    assert rows["number"].tolist() == list(range(100))
    assert np.isnan(rows["log_prob"]).all()
    assert progress(tmp_path / "work")["store"] == ""


def test_learning_goes_on_without_a_store(loop: ControlLoop, tmp_path: Path) -> None:
    key = tmp_path / "key"
    write_key(key, new_key())
    place = tmp_path / "file"
    place.write_text("no folder")
    with learning(loop, tmp_path / "work", store=StoreConfig(place, key)) as (learner, _):
        tick(loop, learner, 152)
        assert str(place) in progress(tmp_path / "work")["store"]
        assert len(Workplace(tmp_path / "work").proposals(0)) == 1


def test_a_full_disk_of_the_store_is_said_and_learning_goes_on(
    loop: ControlLoop, tmp_path: Path
) -> None:
    write_key(tmp_path / "key", new_key())
    store = StoreConfig(tmp_path / "store", tmp_path / "key")
    with learning(loop, tmp_path / "work", store=store) as (learner, _):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            tick(loop, learner, 500)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        said = progress(tmp_path / "work")["store"]
        assert re.match(r"\d+ rows were not kept: File too large", said)
        assert len(Workplace(tmp_path / "work").proposals(0)) == 1


@pytest.mark.parametrize(
    ("tier", "said"),
    [
        ("trimm", "there is no tier 'trimm'; did you mean 'trim'"),
        ("trim", "tier 'trim' needs a learner kit"),
        ("tests.edge_runtime.leg:no_such", "has no 'no_such', so there is no tier"),
    ],
)
def test_a_tier_that_cannot_be(loop: ControlLoop, tmp_path: Path, tier: str, said: str) -> None:
    with (
        fed(loop, tmp_path, MODEL, tiers=(tier,)) as (_, todo),
        pytest.raises(UserError, match=said),
    ):
        Learner(tmp_path, todo)


def test_progress_is_json_that_others_read(loop: ControlLoop, tmp_path: Path) -> None:
    with learning(loop, tmp_path) as (learner, _):
        tick(loop, learner, 101)
    found = json.loads((tmp_path / "progress.json").read_text())
    assert found["seconds"] == pytest.approx(2.0)
    assert found["progress"]["proposing"]["rows"] == 0 or found["proposals"] == 1
