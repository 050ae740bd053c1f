"""The one observation builder: N rows in the simulator, one on the robot, the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.errors import ContractError
from edge_runtime.observation import ObservationBuilder, TermConfig, signals_read
from edge_runtime.signal import Signal
from edge_runtime.terms import TERMS

SIZES = {"attitude": 4, "command": 3, "control_step": 1, "imu_gyro": 3, "imu_accel": 3}
PARAMS = {"gait_clock": {"steps": 36.0, "deadband": 0.05}, "lidar_closeness": {"near": 3.0}}
ROWS = 5
ALL = tuple(TermConfig(name, params=PARAMS.get(name, {})) for name in sorted(TERMS))


def signals_of(configs: tuple[TermConfig, ...]) -> tuple[Signal, ...]:
    return tuple(Signal(name, SIZES.get(name, 6), "1") for name in signals_read(configs))


SIGNALS = signals_of(ALL)
WIDTH = sum(signal.size for signal in SIGNALS)


def split(table: np.ndarray) -> dict[str, np.ndarray]:
    ends = np.cumsum([signal.size for signal in SIGNALS])
    return {s.name: table[:, end - s.size : end].copy() for s, end in zip(SIGNALS, ends)}


tables = arrays(
    np.float32, (ROWS, WIDTH), elements=st.floats(0, 1000, width=32, allow_subnormal=False)
)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_a_row_alone_gives_the_same_bits_as_among_many(table: np.ndarray) -> None:
    together = ObservationBuilder(ALL, SIGNALS, ROWS).build(split(table))
    for row in range(ROWS):
        alone = ObservationBuilder(ALL, SIGNALS, 1).build(split(table[row : row + 1]))
        np.testing.assert_array_equal(alone[0], together[row])


@settings(max_examples=60, deadline=None)
@given(tables)
def test_terms_do_not_write_to_the_signals(table: np.ndarray) -> None:
    values = split(table)
    for value in values.values():
        value.flags.writeable = False
    ObservationBuilder(ALL, SIGNALS, ROWS).build(values)


def test_history_is_oldest_first_and_starts_filled() -> None:
    config = (TermConfig("angular_velocity", history=3, scale=2.0),)
    builder = ObservationBuilder(config, signals_of(config), 2)
    seen = []
    for value in (1.0, 2.0, 3.0):
        gyro = np.array([[value, 0, 0], [10 * value, 0, 0]], np.float32)
        if value == 3.0:
            builder.reset(np.array([1]))
        seen.append(builder.build({"imu_gyro": gyro})[:, ::3].copy())
    np.testing.assert_array_equal(seen[0], [[2, 2, 2], [20, 20, 20]])
    np.testing.assert_array_equal(seen[1], [[2, 2, 4], [20, 20, 40]])
    np.testing.assert_array_equal(seen[2], [[2, 4, 6], [60, 60, 60]])


def test_peeking_changes_nothing_and_sees_what_building_would() -> None:
    config = (TermConfig("angular_velocity", history=2), TermConfig("joint_vel", scale=0.5))
    signals = signals_of(config)
    builder = ObservationBuilder(config, signals, 3)
    rng = np.random.default_rng(0)
    before, now = (
        {s.name: rng.normal(size=(3, s.size)).astype(np.float32) for s in signals} for _ in range(2)
    )
    builder.build(before)
    rows = np.array([0, 2])
    peeked = builder.peek(now, rows)
    np.testing.assert_array_equal(builder.peek(now, rows), peeked)
    np.testing.assert_array_equal(builder.build(now)[rows], peeked)


def test_going_on_from_a_state() -> None:
    config = (TermConfig("angular_velocity", history=4),)
    signals = signals_of(config)
    first, second = (ObservationBuilder(config, signals, 2) for _ in range(2))
    gyro = np.arange(36, dtype=np.float32).reshape(6, 2, 3)
    for value in gyro[:5]:
        first.build({"imu_gyro": value})
    second.restore(first.state())
    expected = first.build({"imu_gyro": gyro[5]})
    np.testing.assert_array_equal(second.build({"imu_gyro": gyro[5]}), expected)


def test_gravity_by_hand() -> None:
    half = np.sqrt(0.5)
    attitudes = {
        (1, 0, 0, 0): (0, 0, -1),  # upright
        (half, half, 0, 0): (0, -1, 0),  # rolled to the right by 90°: down is to the body's right
        (half, 0, half, 0): (1, 0, 0),  # pitched forward by 90°: down is ahead
        (half, 0, 0, half): (0, 0, -1),  # yaw does not matter
    }
    builder = ObservationBuilder(
        (TermConfig("projected_gravity"),), (Signal("attitude", 4, "1"),), len(attitudes)
    )
    gravity = builder.build({"attitude": np.array(list(attitudes), np.float32)})
    np.testing.assert_allclose(gravity, list(attitudes.values()), atol=1e-6)


def test_what_is_unknown_or_missing_is_named() -> None:
    with pytest.raises(ContractError, match="'smell'.*knows.*angular_velocity"):
        ObservationBuilder((TermConfig("smell"),), (), 1)
    with pytest.raises(ContractError, match="'joint_vel' needs signal 'joint_vel'"):
        ObservationBuilder((TermConfig("joint_vel"),), (), 1)
