"""What a learner proposes is tried and promoted, or refused; a learner that dies is replaced."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.shared_memory import segment_path
from edge_runtime.slots.slot_folder import SlotFolder
from tests.edge_runtime.learning.beside.robots import MODEL, alive, config, learning, lived
from tests.edge_runtime.learning.process.proposing import DAMAGED
from tests.edge_runtime.leg import make_contract, make_model


def outcomes(report: dict[str, Any]) -> list[str]:
    return [proposal["outcome"] for proposal in report["proposals"]]


def test_a_proposal_is_tried_and_promoted(tmp_path: Path) -> None:
    events: list[str] = []

    def note(event: str, details: Mapping[str, Any]) -> None:
        events.append(event)

    slots = SlotFolder(tmp_path / "slots")
    slots.install(MODEL, "test")
    with learning(tmp_path / "work", slots=slots, note=note) as (session, learns):
        lived(session, learns, 8.0)
        learns.close()
        report = learns.as_dictionary()
        second = make_model(make_contract(), 1)
        assert outcomes(report)[0] == "promoted"
        assert report["proposals"][0]["after_seconds"] == pytest.approx(3.0, abs=1.1)
        assert report["progress"]["progress"]["proposing"]["heard"] >= 1
        good = slots.status().good
        assert good is not None and good.sha256 == Policy(learns.learned or b"").sha256
        assert learns.learned in (second, make_model(make_contract(), 2))
        assert session.policy.sha256 == good.sha256
        wanted = ["learner proposes", "canary begins", "canary ends", "promoted"]
        assert [event for event in events if event in wanted][:4] == wanted
        assert any("promoted" in line for line in learns.shown())
        assert not segment_path(f"learn-{os.getpid()}").exists()


def test_what_is_no_policy_is_refused(tmp_path: Path) -> None:
    with learning(tmp_path, config(DAMAGED)) as (session, learns):
        lived(session, learns, 6.0)
        learns.close()
        report = learns.as_dictionary()
        assert set(outcomes(report)) == {"refused"}
        assert "not a readable policy" in report["proposals"][0]["why"]
        assert session.policy.sha256 == Policy(MODEL).sha256
        assert report["progress"]["progress"]["proposing"]["heard"] >= 1
        assert learns.learned is None


def test_a_learner_that_is_killed_goes_on(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        child = learns.supervisor.child
        if learns.supervisor.trials and not killed:
            killed.append(child.pid)
            os.kill(child.pid, signal.SIGKILL)

    with learning(tmp_path) as (session, learns):
        lived(session, learns, 12.0, kill)
        learns.close()
        report = learns.as_dictionary()
        assert killed and report["restarts"] == 1
        assert outcomes(report)[0] == "promoted"
        assert len(report["proposals"]) >= 2  # it heard the verdict, and went on
        assert report["proposals"][1]["numbers"] == {"seed": 2.0}
        assert session.loop.ticks >= 600
    assert not alive(killed[0])


def test_a_learner_that_cannot_begin_is_named_and_the_robot_drives(tmp_path: Path) -> None:
    with learning(tmp_path, config("trim")) as (session, learns):
        lived(session, learns, 2.0)
        assert "tier 'trim' needs a learner kit" in learns.supervisor.state
        assert session.loop.ticks >= 100
        assert learns.as_dictionary()["restarts"] == 0


def test_a_kit_of_another_policy_is_refused_at_once(tmp_path: Path) -> None:
    kit = Path("assets/policies/HumanoidVelocity.kit")
    with (
        pytest.raises(UserError, match="is the learner kit of another policy"),
        learning(tmp_path, kit=kit),
    ):
        pass
