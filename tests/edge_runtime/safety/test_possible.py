"""Finite but impossible readings are refused by name; what a robot in motion gives passes."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import policy_path
from edge_runtime.safety.possible import ImpossibleReading, ImuBounds, JointBounds

PERIOD = 0.02
CONTRACT = Policy.load(policy_path(Path("HumanoidVelocity"))).contract
ACTUATORS = CONTRACT.actuators
WHEELS = tuple(
    f"{place}_wheel" for place in ("front_left", "front_right", "rear_left", "rear_right")
)
DEFAULT = np.array([a.default for a in ACTUATORS], np.float32)
KNEE = [a.name for a in ACTUATORS].index("left_knee")


def bounds() -> JointBounds:
    return JointBounds([a.name for a in ACTUATORS], (), "", ACTUATORS, PERIOD)


def joints(change: float = 0.0, place: int = KNEE) -> dict[str, np.ndarray]:
    position = DEFAULT.copy()
    position[place] += change
    return {"joint_pos": position, "joint_vel": np.zeros(len(ACTUATORS), np.float32)}


@pytest.mark.parametrize(
    ("signal", "value", "complaint"),
    [
        ("joint_pos", 4.0, "'left_knee' is at 4 rad, far outside its range of -0.05 to 2.3"),
        ("joint_pos", -90.0, "'left_knee' is at -90 rad, far outside"),
        ("joint_vel", 150.0, "'left_knee' turns at 150 rad/s .is that deg/s"),
        ("joint_torque", 9000.0, "'left_knee' has an effort of 9e.03 Nm, more than its motor"),
    ],
)
def test_a_reading_beyond_the_motor_is_named(signal: str, value: float, complaint: str) -> None:
    judge, values = bounds(), joints()
    values["joint_torque"] = np.zeros(len(ACTUATORS), np.float32)
    judge.check(0.0, values, False)
    values = {name: each.copy() for name, each in values.items()}
    values[signal][KNEE] = value
    with pytest.raises(ImpossibleReading, match=complaint):
        judge.check(PERIOD, values, False)


def test_a_wheel_in_degrees_is_named() -> None:
    actuators = Policy.load(policy_path(Path("VehicleTrack"))).contract.actuators
    judge = JointBounds((), WHEELS, "", actuators, 0.04)
    judge.check(0.0, {"wheel_speed": np.full(4, 60.0, np.float32)}, False)
    with pytest.raises(ImpossibleReading, match="'rear_right_wheel' turns at"):
        judge.check(0.04, {"wheel_speed": np.array([9, 9, 9, 3438], np.float32)}, False)


def test_a_jump_is_refused_and_the_joint_goes_on_where_it_was() -> None:
    """Between two messages of a stranger's the true ones are believed, however fast they move."""
    judge = bounds()
    for number in range(100):
        judge.check(number * PERIOD, joints(0.3 * math.sin(0.3 * number)), False)
        zeros = {"joint_pos": np.zeros(len(ACTUATORS), np.float32)}
        with pytest.raises(
            ImpossibleReading, match="jumped by 0.* rad in 0.006 s, faster than its motor"
        ):
            judge.check((number + 0.3) * PERIOD, zeros, False)


def test_an_encoder_that_slipped_is_believed_once_it_has_settled() -> None:
    judge, refused = bounds(), 0
    judge.check(0.0, joints(), False)
    for number in range(1, 100):
        try:
            judge.check(number * PERIOD, joints(1.0), False)
        except ImpossibleReading:
            refused += 1
    assert 50 <= refused <= 53


@given(st.integers(0, len(ACTUATORS) - 1), st.integers(1, 20), st.floats(-1.0, 1.0))
def test_whatever_a_motor_can_do_passes(place: int, lost: int, share: float) -> None:
    """Also after lost messages, within the range."""
    of, judge = ACTUATORS[place], bounds()
    judge.check(0.0, joints(), False)
    moved = share * of.max_velocity * lost * PERIOD
    end = float(np.clip(of.default + moved, of.lower, of.upper))
    judge.check(lost * PERIOD, joints(end - of.default, place), False)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 3 * PERIOD),
            st.sampled_from(("joint_pos", "joint_vel")),
            st.integers(0, len(ACTUATORS) - 1),
            st.floats(-60.0, 60.0, width=32) | st.just(math.nan) | st.floats(-0.25, 0.25, width=32),
        ),
        max_size=12,
    )
)
def test_what_passes_at_a_glance_passes_each_rule(
    readings: list[tuple[float, str, int, float]],
) -> None:
    """Most readings are judged by one comparison; it must never pass what a rule refuses."""
    quick, thorough = bounds(), bounds()
    thorough._is_ordinary = lambda *reading: False  # type: ignore[method-assign]
    stamp = 0.0
    for passed, signal, place, value in readings:
        stamp += passed
        values = joints()
        values[signal][place] = value
        assert refusal(quick, stamp, values) == refusal(thorough, stamp, values)


def refusal(judge: JointBounds, stamp: float, values: dict[str, np.ndarray]) -> str:
    """Why a reading is refused; empty if it is not."""
    try:
        judge.check(stamp, values, False)
    except ImpossibleReading as bad:
        return str(bad)
    return ""


def test_not_a_number_and_a_clock_that_was_set_pass() -> None:
    judge = bounds()
    judge.check(0.0, joints(), False)
    judge.check(PERIOD, joints(math.nan), False)
    judge.check(2 * PERIOD, joints(), False)
    judge.check(3 * PERIOD, joints(1.0), True)


def walk(time: float, rate: float = 1.0, force: float = 1.0) -> np.ndarray:
    """What an IMU reads on a walking robot, in other units by these factors."""
    sway = math.sin(2 * math.pi * 1.5 * time)
    gyro = np.array([1.5 * sway, 0.8 * sway, 0.5])
    accel = np.array([2.0 * sway, 1.0, 9.81 + 5.0 * sway])
    return np.concatenate([rate * gyro, force * accel])


def complained(judge: ImuBounds, time: float, rate: float = 1.0, force: float = 1.0) -> str:
    """Why the reading at this time is refused; empty if it is not."""
    try:
        judge.check(time, walk(time, rate, force), False)
    except ImpossibleReading as bad:
        return str(bad)
    return ""


@pytest.mark.parametrize(
    ("rate", "force", "complaint", "within"),
    [
        (math.degrees(1.0), 1.0, "is that deg/s", 0.2),
        (1.0, 1 / 9.81, "is that g", 0.4),
        (1.0, 1000 / 9.81, "is that mg", 0.2),
    ],
)
def test_wrong_units_in_motion_are_named(
    rate: float, force: float, complaint: str, within: float
) -> None:
    judge, step = ImuBounds(), 0.005
    for number in range(400):
        judge.check(number * step, walk(number * step), False)
    refused = [complained(judge, n * step, rate, force) for n in range(400, 600)]
    assert complaint in refused[round(within / step)]
    assert sum(map(bool, refused)) > 100
    allowed = [complained(judge, n * step) for n in range(600, 1000)]
    assert not any(allowed[200:]), "the right units pass again"


def test_wrong_units_at_rest_are_named_at_once() -> None:
    with pytest.raises(
        ImpossibleReading, match="feels 1 m/s.2 on average, gravity is 9.8; is that g"
    ):
        ImuBounds().check(0.0, np.array([0, 0, 0, 0, 0, 1.0]), False)


def test_a_blow_and_a_short_flight_pass() -> None:
    judge, step = ImuBounds(), 0.005
    for number in range(100):
        judge.check(number * step, walk(number * step), False)
    judge.check(100 * step, np.array([30.0, 0, 0, 150.0, 0, 0]), False)
    for number in range(101, 140):
        judge.check(number * step, np.array([3.0, 0, 0, 0.5, 0, 0.5]), False)
