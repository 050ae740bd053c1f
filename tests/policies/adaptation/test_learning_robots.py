"""Worn robots win back what they lost, each from its own experience."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.process.trim_tier import trim_learner
from edge_runtime.learning.tier import Proposal, Rows, Start
from edge_runtime.learning.trim_learner import TrimLearner
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path
from policies.adaptation.learning_robots import LearningRobots
from policies.evaluation.policy_file import PolicyFile
from sim.robots.wear import Wear

HUMANOID, CAR = "HumanoidVelocity", "VehicleTrack"


def learner(name: str) -> TrimLearner:
    policy = PolicyFile.committed(name)
    kit = LearnerKit.load(kit_path(Path(name)), Policy(policy.model).sha256)
    return trim_learner(Start(Policy(policy.model), policy.model, kit, 0))


def live(name: str, wear: Wear, seconds: float, *tiers: Any, seed: int = 3) -> LearningRobots:
    policy = PolicyFile.committed(name)
    task = replace(policy.task, wear=wear)
    robots = LearningRobots(task, policy.model, [[tier] for tier in tiers], seed)
    robots.run(seconds)
    return robots


def test_a_weak_knee_is_found_and_commanded_higher() -> None:
    tier = learner(HUMANOID)
    robots = live(HUMANOID, Wear(gains={"left_knee": 0.4}), 22.0, tier)
    ((when, proposal),) = robots.lives[0].proposals
    assert 20.0 <= when <= 22.0
    assert proposal.numbers["left_knee.gains"] == pytest.approx(2.5, abs=0.3)
    assert {*proposal.numbers} == {"left_knee.gains"}
    knee = Policy(robots.models[0]).contract.joint_names.index("left_knee")
    share = robots.env.engine.field("actuator_gainprm")[0, knee, 0]
    assert share == pytest.approx(150.0, rel=0.12)  # as a new robot's


@pytest.mark.slow
def test_a_new_robot_is_left_alone() -> None:
    assert live(HUMANOID, Wear(), 25.0, learner(HUMANOID)).lives[0].proposals == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wear", "trims"),
    [
        (HUMANOID, Wear(offsets={"left_ankle_pitch": 0.2}), {"left_ankle_pitch.offset": 0.2}),
        (HUMANOID, Wear(offsets={"right_hip_roll": -0.15}), {"right_hip_roll.offset": -0.15}),
        (HUMANOID, Wear(gains={"right_ankle_pitch": 0.5}), {"right_ankle_pitch.gains": 2.0}),
        (CAR, Wear(offsets={"steering": 0.14}), {"steering.offset": 0.14}),
        (CAR, Wear(friction=0.7), {"drive.scale": 0.77}),
    ],
)
def test_other_wear_is_found_too(name: str, wear: Wear, trims: dict[str, float]) -> None:
    robots = live(name, wear, 90.0, *(learner(name) for _ in range(3)))
    for life in robots.lives:
        found = life.proposals[-1][1].numbers
        for trim, value in trims.items():
            assert found[trim] == pytest.approx(value, rel=0.25), trim


class Recording:
    """Keeps the rows that a tier is given."""

    name = "recording"
    needs_signals = True

    def __init__(self) -> None:
        self.rows: list[Rows] = []

    def take(self, rows: Rows) -> Proposal | None:
        self.rows.append(rows)
        return None


def recorded(seconds: float) -> list[Rows]:
    tier = Recording()
    live(HUMANOID, Wear(gains={"left_knee": 0.4}), seconds, tier)
    return tier.rows


@pytest.fixture(scope="module")
def rows() -> list[Rows]:
    return recorded(24.0)


def restarted(change: Callable[[TrimLearner], TrimLearner], rows: list[Rows]) -> Proposal:
    tier = learner(HUMANOID)
    for number, chunk in enumerate(rows):
        if number == 12:
            tier = change(tier)
        if (proposal := tier.take(chunk)) is not None:
            return proposal
    raise AssertionError("nothing was proposed")


def test_a_learner_goes_on_from_its_checkpoint(rows: list[Rows]) -> None:
    def renewed(tier: TrimLearner) -> TrimLearner:
        other = learner(HUMANOID)
        other.restore(tier.state())
        return other

    whole = restarted(lambda tier: tier, rows)
    again = restarted(renewed, rows)
    assert again.numbers == whole.numbers
    assert again.model == whole.model


def test_what_is_rejected_is_proposed_again_with_twice_the_experience(rows: list[Rows]) -> None:
    tier = learner(HUMANOID)
    seconds, proposal = next((k, p) for k, p in enumerate(map(tier.take, rows), 1) if p)
    tier.judged(proposal, False, "it fell")
    again = [tier.take(chunk) for chunk in rows]
    assert next(k for k, p in enumerate(again, 1) if p) == pytest.approx(seconds, abs=2)


def test_a_learner_gives_up_that_is_always_rejected(rows: list[Rows]) -> None:
    tier, proposed = learner(HUMANOID), 0
    for chunk in rows * 20:
        if (proposal := tier.take(chunk)) is not None:
            proposed += 1
            tier.judged(proposal, False, "it fell")
    assert proposed == 3
