"""The one observation builder: N rows in the simulator, one on the robot."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ContractError
from edge_runtime.observation.builder import ObservationBuilder, signals_read
from edge_runtime.observation.builder import TermConfig as Term
from edge_runtime.observation.terms import TERMS, projected_gravity, should_step
from edge_runtime.signals import Signal
from tests.edge_runtime.leg import make_contract

SIGNALS = (
    Signal("imu_gyro", 3, "rad/s", "imu"),
    Signal("imu_accel", 3, "m/s^2", "imu"),
    Signal("attitude", 4, "1", "world"),
    Signal("joint_pos", 5, "rad"),
    Signal("joint_vel", 5, "rad/s"),
    Signal("last_action", 5, "1"),
    Signal("command", 3, "m/s, rad/s", "body"),
    Signal("control_step", 1, "1"),
    Signal("default_target", 5, "rad"),
    Signal("wheel_speed", 4, "rad/s"),
    Signal("steering_angle", 1, "rad"),
    Signal("lidar", 64, "m", "lidar"),
    Signal("base_velocity", 3, "m/s", "body"),
)
STEPPING = {"deadband": 0.05, "lean": 0.1, "rate": 0.7}
PARAMS = {"gait_clock": {"steps": 36.0, **STEPPING}, "lidar_closeness": {"near": 3.0}}


def known_terms() -> list[str]:
    """Every term whose signals are above; a new one that is not must be added to them."""
    names = {signal.name for signal in SIGNALS}
    return [name for name in TERMS if set(TERMS.find(name).reads) <= names]


def draw(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    signals = {s.name: rng.normal(0, 1, (rows, s.size)).astype(np.float32) for s in SIGNALS}
    signals["control_step"] = rng.integers(0, 2**24, (rows, 1)).astype(np.float32)
    signals["lidar"] = np.abs(signals["lidar"]) * 20
    signals["command"][::2] *= 0.01  # some stand
    return signals


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 33), st.integers(1, 4), st.floats(0.01, 10))
def test_a_row_alone_gives_the_bits_it_gives_among_many(
    seed: int, rows: int, history: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    terms = [Term(name, scale, history, PARAMS.get(name, {})) for name in known_terms()]
    together = ObservationBuilder(terms, SIGNALS, rows)
    alone = [ObservationBuilder(terms, SIGNALS, 1) for _ in range(rows)]
    for _ in range(history + 1):
        signals = draw(rng, rows)
        observation = together.build(signals)
        for row, builder in enumerate(alone):
            one = {name: np.ascontiguousarray(v[row : row + 1]) for name, v in signals.items()}
            assert builder.build(one).tobytes() == observation[row].tobytes()


def test_every_term_is_tested_here_and_documented() -> None:
    terms = {name: TERMS.find(name) for name in TERMS}
    # Other tests register terms of their own, as an outside package does.
    ours = {n: t for n, t in terms.items() if t.function.__module__.startswith("edge_runtime")}
    assert known_terms() == list(ours)
    for term in ours.values():
        assert inspect.getdoc(term.function)
        assert term.unit


def test_history_is_oldest_first_and_starts_filled() -> None:
    builder = ObservationBuilder([Term("steering_angle", 2.0, history=3)], SIGNALS, 2)

    def build(first: float, second: float) -> list[list[float]]:
        values = np.array([[first], [second]], np.float32)
        return builder.build({"steering_angle": values}).tolist()

    assert build(1, 10) == [[2, 2, 2], [20, 20, 20]]
    assert build(2, 20) == [[2, 2, 4], [20, 20, 40]]
    builder.reset(np.array([1]))
    assert build(3, 30) == [[2, 4, 6], [60, 60, 60]]


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_goes_on_from_a_state_and_peeks_without_remembering(seed: int) -> None:
    rng = np.random.default_rng(seed)
    terms = [Term("joint_vel", 0.1, history=3), Term("angular_velocity")]
    first, second = (ObservationBuilder(terms, SIGNALS, 4) for _ in range(2))
    for _ in range(3):
        first.build(draw(rng, 4))
    second.restore(first.state())
    signals, rows = draw(rng, 4), np.array([1, 3])
    peeked = first.peek(signals, rows)
    expected = first.build(signals).copy()
    assert (second.build(signals) == expected).all()
    assert (peeked == expected[rows]).all()


def test_builds_into_a_given_buffer() -> None:
    out = np.zeros((1, 3), np.float32)
    builder = ObservationBuilder([Term("angular_velocity", 0.5)], SIGNALS, 1, out)
    assert builder.build({"imu_gyro": np.array([[1, 2, 4]], np.float32)}) is out
    assert out.tolist() == [[0.5, 1, 2]]


def test_gravity_is_seen_from_the_body() -> None:
    """Upright, on its back, and leaning a little forward."""
    half = 0.1 / 2
    attitudes = [[1, 0, 0, 0], [0.5**0.5, 0, -(0.5**0.5), 0], [np.cos(half), 0, np.sin(half), 0]]
    expected = [[0, 0, -1], [-1, 0, 0], [np.sin(0.1), 0, -np.cos(0.1)]]
    gravity = projected_gravity(np.array(attitudes, np.float32))
    np.testing.assert_allclose(gravity, expected, atol=1e-6)


UPRIGHT = np.tile(np.float32([1, 0, 0, 0]), (5, 1))
CALM = np.zeros((5, 3), np.float32)


def test_the_gait_clock_turns_once_a_cycle_and_stands_still_on_zero() -> None:
    clock = TERMS.find("gait_clock").function
    steps = np.array([[0], [9], [18], [36], [36 * 400_000]], np.float32)
    walk = np.full((5, 3), 0.5, np.float32)
    turned = clock(steps, walk, UPRIGHT, CALM, steps=36.0, **STEPPING)
    np.testing.assert_allclose(turned, [[0, 1], [1, 0], [0, -1], [0, 1], [0, 1]], atol=1e-6)
    assert (clock(steps, 0.08 * walk, UPRIGHT, CALM, steps=36.0, **STEPPING) == 0).all()


def test_a_standing_robot_steps_to_catch_itself() -> None:
    leaning, turning = UPRIGHT.copy(), CALM.copy()
    leaning[1] = [np.cos(0.06), 0, np.sin(0.06), 0]  # 0.12 rad forward
    turning[2, 0] = -0.8
    turning[3, 2] = 5.0  # turning on the spot is no fall
    stepping = should_step(CALM, leaning, turning, **STEPPING)
    assert stepping.tolist() == [False, True, True, False, False]


def test_says_which_signal_or_term_is_missing() -> None:
    builder = ObservationBuilder([Term("joint_vel")], SIGNALS, 1)
    with pytest.raises(ContractError, match="'joint_vel' needs signal 'joint_vel'"):
        builder.build({})
    with pytest.raises(ContractError, match="unknown observation term 'aura'"):
        ObservationBuilder([Term("aura")], SIGNALS, 1)


def test_knows_what_the_terms_read() -> None:
    contract = make_contract()
    assert set(signals_read(contract.observations)) == {s.name for s in contract.signals}
    assert contract.observation_size == sum(contract.term_sizes)
