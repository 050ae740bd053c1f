"""Every recipe can be trained by, and those for the gauntlet practise what it has."""

import pytest

from policies.gauntlet.driving.protocol import DrivingGauntlet
from policies.gauntlet.walking.protocol import WalkingGauntlet
from policies.train.config import check
from policies.train.recipes import recipe, trainings
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.walking.config import HumanoidVelocity


@pytest.mark.parametrize("name", trainings())
def test_every_recipe_is_sound(name: str) -> None:
    check(recipe(name))


def covers(practised: tuple[float, float], needed: tuple[float, float]) -> bool:
    return practised[0] <= needed[0] and needed[1] <= practised[1]


def test_a_humanoid_practises_what_the_gauntlet_has() -> None:
    task, gauntlet = recipe("HumanoidGauntlet").task.for_training(), WalkingGauntlet()
    assert isinstance(task, HumanoidVelocity)
    strongest = gauntlet.push_force[1] * gauntlet.push_seconds / gauntlet.push_mass
    assert task.pushes.speed[1] >= strongest
    assert task.pushes.duration == gauntlet.push_seconds
    assert covers(task.randomization.payload, gauntlet.payload)
    assert covers(task.randomization.friction, gauntlet.friction)
    assert covers(task.randomization.action_delay, gauntlet.action_delay)
    assert covers(task.arms.hand_mass, gauntlet.hand_mass)
    assert task.arms.offset >= gauntlet.arm_offset
    assert {"slope", "steps"} <= set(task.terrain.kinds)
    assert task.terrain.step >= gauntlet.step


def test_a_car_practises_what_the_gauntlet_has() -> None:
    task, gauntlet = recipe("VehicleGauntlet").task.for_training(), DrivingGauntlet()
    assert isinstance(task, VehicleTrack)
    assert covers(task.lidar.blind, gauntlet.blown_sector)
    assert covers(task.randomization.payload, gauntlet.payload)
    assert covers(task.randomization.action_delay, gauntlet.action_delay)
    wet = gauntlet.friction[0] * gauntlet.wet_grip[0]
    assert task.randomization.friction[0] <= gauntlet.friction[0] * gauntlet.wet_grip[1]
    assert task.randomization.friction[0] <= wet + 0.05


def test_practice_is_for_training_alone() -> None:
    for name in ("HumanoidGauntlet", "VehicleGauntlet"):
        task = recipe(name).task
        assert task.randomization == type(task)().randomization
