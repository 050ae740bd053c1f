"""What is sent to a vehicle while the guard reacts."""

import numpy as np
import pytest

from edge_runtime.policy.contract import Actuator
from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Reaction
from edge_runtime.safety.safe_targets import SafeTargets

VEHICLE = (Actuator("steering", "position", 240.0), Actuator("drive", "velocity", damping=40.0))


@pytest.fixture
def vehicle() -> SafeTargets:
    targets = SafeTargets(VEHICLE, period=0.1, stop_seconds=1.0)
    targets.begin(None)
    targets.follow(np.array([0.2, 30.0], np.float32))
    return targets


def test_a_vehicle_slows_to_rest_with_its_steering_held(vehicle: SafeTargets) -> None:
    speeds = []
    for _ in range(10):
        assert vehicle.react(Reaction.STOP) is Mode.RUN
        assert vehicle.target[0] == np.float32(0.2)
        speeds.append(float(vehicle.target[1]))
    np.testing.assert_allclose(speeds, np.arange(27, -1, -3), atol=1e-4)
    assert vehicle.at_rest
    assert vehicle.react(Reaction.STOP) is Mode.RUN  # the drive holds it on a slope
    assert vehicle.target.tolist() == pytest.approx([0.2, 0.0], abs=1e-6)


def test_hold_repeats_the_last_target(vehicle: SafeTargets) -> None:
    for _ in range(3):
        assert vehicle.react(Reaction.HOLD) is Mode.RUN
        assert vehicle.target.tolist() == pytest.approx([0.2, 30.0])


def test_damp_ends_a_stop(vehicle: SafeTargets) -> None:
    vehicle.react(Reaction.STOP)
    assert vehicle.react(Reaction.DAMP) is Mode.DAMP
    assert vehicle.at_rest


def test_a_stop_starts_anew_after_the_policy_drove_again(vehicle: SafeTargets) -> None:
    for _ in range(10):
        vehicle.react(Reaction.STOP)
    vehicle.follow(np.array([0.0, 20.0], np.float32))
    assert not vehicle.at_rest
    vehicle.react(Reaction.STOP)
    assert vehicle.target[1] == pytest.approx(18.0)


def test_damping_asks_a_vehicle_for_no_speed(vehicle: SafeTargets) -> None:
    """Its drive's gain is its damping, so a speed left in place would still be driven at."""
    assert vehicle.react(Reaction.DAMP) is Mode.DAMP
    assert vehicle.target.tolist() == pytest.approx([0.2, 0.0])


def test_the_start_is_within_the_actuators_limits() -> None:
    actuators = (Actuator("hip", lower=-0.5, upper=0.5), Actuator("knee"), *VEHICLE[1:])
    targets = SafeTargets(actuators, period=0.1, stop_seconds=1.0)
    targets.begin(np.array([0.8, 3.0, 9.0], np.float32))
    assert targets.target.tolist() == [0.5, 3.0, 0.0]
    assert targets.target.dtype == np.float32


def test_a_vehicle_is_steered_by_a_sound_policy_while_it_slows(vehicle: SafeTargets) -> None:
    for step in range(10):
        asked = np.array([0.01 * step, 60.0], np.float32)
        assert vehicle.rest(asked) is Mode.RUN
        assert vehicle.target[0] == asked[0]
        assert vehicle.target[1] == pytest.approx(30.0 - 3.0 * (step + 1), abs=1e-4)
    assert vehicle.at_rest


LEG = tuple(Actuator(name, "position", 20.0, 1.0, 0.1) for name in ("hip", "knee"))


def test_a_leg_comes_to_a_stand_by_a_sound_policy_then_is_damped() -> None:
    targets = SafeTargets(LEG, period=0.1, stop_seconds=0.5, rest_seconds=1.0)
    targets.begin(None)
    for step in range(10):
        asked = np.array([0.5, 0.1 * step], np.float32)
        assert targets.rest(asked) is Mode.RUN
        assert targets.target.tolist() == asked.tolist()
    assert not targets.at_rest
    assert targets.rest(asked) is Mode.DAMP
    assert targets.at_rest


def test_a_leg_whose_policy_cannot_be_asked_to_stand_stops() -> None:
    targets = SafeTargets(LEG, period=0.1, stop_seconds=0.5, rest_seconds=0.0)
    targets.begin(None)
    modes = [targets.rest(np.ones(2, np.float32)) for _ in range(5)]
    assert modes == [Mode.RUN] * 4 + [Mode.DAMP]
    np.testing.assert_allclose(targets.target, [0.1, 0.1], atol=1e-6)


def test_the_policy_drives_anew_after_a_stop(vehicle: SafeTargets) -> None:
    """And has its whole time again to come to a stand."""
    targets = SafeTargets(LEG, period=0.1, stop_seconds=0.5, rest_seconds=0.2)
    targets.begin(None)
    asked = np.zeros(2, np.float32)
    for _ in range(4):
        targets.rest(asked)
    targets.follow(asked)
    for _ in range(2):
        targets.rest(np.ones(2, np.float32))
        assert targets.target.tolist() == [1.0, 1.0]


def test_missed_periods_do_not_make_a_stop_longer(vehicle: SafeTargets) -> None:
    for _ in range(5):
        assert not vehicle.at_rest
        vehicle.react(Reaction.STOP, periods=2)
    assert vehicle.at_rest
