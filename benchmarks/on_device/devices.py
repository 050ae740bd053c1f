"""Names the worn devices that have to learn, and measures policies on them."""

from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from policies.evaluation.episodes import make_world, play
from policies.evaluation.policy_file import PolicyFile
from sim.robots.wear import Wear

SEED = 0  # of the worlds in which policies are measured, which no training sees


@dataclass(frozen=True)
class Device:
    """Names a worn robot, and how much of its loss is to be won back."""

    name: str
    policy: str
    wear: Wear
    share: float  # %, in 20 minutes
    later: float | None = None  # %, in two hours
    seconds: float = 10.0  # length of an episode


@dataclass(frozen=True)
class Measured:
    """Holds how a policy did on a device, on average over episodes."""

    total: float  # return
    survival: float  # share

    def won_back(self, new: "Measured", before: "Measured") -> float:
        """Returns the share of the loss that is won back, %."""
        return 100.0 * (self.total - before.total) / (new.total - before.total)


DEVICES = (
    Device("knee gains 40 %", "HumanoidVelocity", Wear(gains={"left_knee": 0.4}), 40.0),
    Device(
        "ankle encoder 0.2 rad off", "HumanoidVelocity", Wear(offsets={"left_ankle_pitch": 0.2}), 40
    ),
    Device(
        "knee gains 60 %, 10.5 kg, soles 15 mm",
        "HumanoidVelocity",
        Wear(gains={"left_knee": 0.6}, payload=10.5, sole=0.015),
        share=20.0,
        later=45.0,
    ),
    Device("tyres 70 %", "VehicleTrack", Wear(friction=0.7), 40.0, seconds=15.0),
    Device(
        "steering 8° off",
        "VehicleTrack",
        Wear(offsets={"steering": -float(np.deg2rad(8))}),
        share=80.0,
        seconds=15.0,
    ),
)


def measure(policy: PolicyFile, wear: Wear, episodes: int, seconds: float) -> Measured:
    """Plays a policy on a device; the episodes are the same for every policy and device."""
    task = replace(policy.task, wear=wear)
    with closing(make_world(task, episodes, seconds, SEED)) as env:
        policy.drive(env)
        played = play(env, policy.actor(episodes), SEED)
    return Measured(float(played.total_reward.mean()), float(played.survived.mean()))
