"""The estimators that know velocity, driven by the control loop over simulated robots."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.fusion.legged.fusion import LeggedFusion
from edge_runtime.fusion.plausibility import FROZEN, NOT_FINITE, SATURATED
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.report.run_report import broken_rules
from edge_runtime.robot.robot import Sample
from edge_runtime.rotations import rotation_matrix
from edge_runtime.safety.rules import Fault, Reaction
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY, IMU_ACCEL, IMU_BURST, IMU_GYRO, Signals
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks import find_task
from tests.edge_runtime.leg import ManualClock, make_model

ROBOTS = [("HumanoidVelocity", "legged"), ("VehicleTrack", "wheeled")]
Change = Callable[[Signals], None]


def gyro_in_degrees(signals: Signals) -> None:
    signals[IMU_GYRO][:] *= 57.3
    signals[IMU_BURST].reshape(-1, 6)[:, :3] *= 57.3


def accel_in_g(signals: Signals) -> None:
    signals[IMU_ACCEL][:] /= 9.81
    signals[IMU_BURST].reshape(-1, 6)[:, 3:] /= 9.81


def gyro_is(value: float) -> Change:
    def change(signals: Signals) -> None:
        signals[IMU_GYRO][:] = signals[IMU_BURST].reshape(-1, 6)[:, :3] = value

    return change


class Bench:
    """A loop over a simulated robot that hangs still or moves by itself, ticked by hand."""

    def __init__(self, task: str, name: str, *, moving: bool = True) -> None:
        simulated = SimulatedRobot(find_task(task), seed=4)
        robot = LockstepRobot(simulated)
        self.description, self.sensed = robot.description, robot.read
        self.moving, self.changes, self.sequence = moving, [], 0
        self.clock, self.write = ManualClock(), robot.write
        robot.read, robot.write = self.read, self.obey  # type: ignore[method-assign]
        policy = Policy(make_model(simulated.env.contract()))
        self.fusion = find_fusion(name, policy.contract, robot.description)
        self.loop = ControlLoop(policy, robot, self.fusion, clock=self.clock)
        self.engine = simulated.env.engine
        self.rng = np.random.default_rng(0)

    def read(self) -> Sample:
        values = self.sensed().values.copy()
        signals = self.description.split(values)
        if not self.moving:  # as on a stand: noise alone
            rest = [0, 0, 0, 0, 0, 9.81] + 0.01 * self.rng.standard_normal((self.parts, 6))
            signals[IMU_BURST][0] = rest.ravel()
            signals[IMU_GYRO][0], signals[IMU_ACCEL][0] = np.split(rest.mean(axis=0), 2)
            if "wheel_speed" in signals:
                signals["wheel_speed"][:] = 0.0
                signals["lidar"][:] += 0.02 * self.rng.standard_normal(signals["lidar"].shape)
        for change in self.changes:
            change(signals)
        self.sequence += 1
        return Sample(self.sequence, self.sequence * self.loop.period * 1e-9, values)

    @property
    def parts(self) -> int:
        return self.engine.substeps

    def obey(self, command: object) -> None:
        if self.moving:
            self.write(command)  # type: ignore[arg-type]

    def tick(self) -> Reaction:
        self.clock.now += self.loop.period
        return self.loop.tick()


@pytest.mark.parametrize(("task", "name"), ROBOTS)
def test_the_loop_knows_attitude_and_velocity(task: str, name: str) -> None:
    bench = Bench(task, name)
    truth = {n: bench.engine.sensor(f"true_{n}") for n in ("attitude", "velocity")}
    for _ in range(40):
        before = {n: t[0].copy() for n, t in truth.items()}  # of the sample that the tick reads
        assert bench.tick() is Reaction.NONE
    known = bench.fusion.estimates
    up, true = (rotation_matrix(q)[0, 2] for q in (known[ATTITUDE], before["attitude"][None]))
    assert np.abs(up - true).max() < 0.15
    assert np.abs(known[BASE_VELOCITY][0] - before["velocity"]).max() < 0.2


@pytest.mark.parametrize(("task", "name"), ROBOTS)
@pytest.mark.parametrize(
    ("fault", "says"), [(gyro_in_degrees, "deg"), (accel_in_g, "g")], ids=["deg/s", "g"]
)
def test_wrong_units_at_start_up_let_no_motor_follow_the_policy(
    task: str, name: str, fault: Change, says: str
) -> None:
    """What no other check of the loop sees: the estimator says it is lost, the guard reacts."""
    bench = Bench(task, name, moving=False)
    bench.changes = [fault]
    reactions = [bench.tick() for _ in range(100)]
    assert bench.loop.guard.measures[Fault.ESTIMATOR_LOST] > 5
    assert reactions[-1] is Reaction.DAMP and bench.loop.guard.latched is Reaction.DAMP
    first = next(k for k, r in enumerate(reactions) if r is not Reaction.NONE)
    assert reactions[first : first + 6] == [Reaction.HOLD] * 5 + [Reaction.DAMP]
    assert first * bench.loop.period * 1e-9 <= 1.5  # s
    said = broken_rules(bench.loop)[-1]
    assert said.startswith("estimator: ") and says in said


@pytest.mark.parametrize(("task", "name"), ROBOTS)
def test_healthy_sensors_at_rest_lose_nothing(task: str, name: str) -> None:
    bench = Bench(task, name, moving=False)
    assert {bench.tick() for _ in range(100)} == {Reaction.NONE}
    assert bench.loop.lost_because == ""


@pytest.mark.parametrize("since_start", [True, False], ids=["from the start", "later"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, NOT_FINITE), (34.9, SATURATED), (0.0, FROZEN)],
    ids=["no number", "saturated", "silent"],
)
def test_legs_without_an_imu_are_lost_until_it_returns(
    value: float, reason: str, since_start: bool
) -> None:
    bench = Bench("HumanoidVelocity", "legged", moving=False)

    def lost_after(seconds: float) -> bool:
        for _ in range(round(seconds / (bench.loop.period * 1e-9))):
            bench.fusion.update(bench.description.split(bench.read().values))
        return bench.fusion.lost

    if not since_start:
        assert not lost_after(1.0)
    bench.changes = [gyro_is(value)]
    assert not lost_after(0.2)
    assert lost_after(0.14 if since_start else 0.1)  # the very first sample is of no duration
    assert bench.fusion.reason == reason
    assert lost_after(1.0)
    assert bench.fusion.reason == reason
    bench.changes = []
    assert not lost_after(2.0)


@pytest.mark.parametrize(
    ("feet", "points", "legs", "says"),
    [
        (2, 2, 2, "set LeggedConfig.feet to 4"),
        (4, 2, 1, "describe every leg"),
        (4, 1, 2, "has 2 points"),
    ],
    ids=["feet", "a leg is missing", "points"],
)
def test_legs_that_contradict_the_estimator_are_named_in_one_line(
    feet: int, points: int, legs: int, says: str
) -> None:
    task = find_task("HumanoidVelocity")
    legged = task.legged
    config = replace(
        legged,
        legs=legged.legs[:legs],
        estimator=replace(legged.estimator, feet=feet, points=points),
    )
    joints = [actuator.name for actuator in task.robot.actuators]
    with pytest.raises(UserError, match=says) as said:
        LeggedFusion(config, joints, task.control_period)
    assert "\n" not in str(said.value)
