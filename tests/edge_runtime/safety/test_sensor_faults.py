"""What single sensors do wrong has the reaction that is declared for it."""

import dataclasses

import numpy as np
import pytest

from edge_runtime.fusion.no_fusion import NoFusion
from edge_runtime.robot.robot import Mode, RobotDescription, Sample
from edge_runtime.safety.rules import Fault, Reaction
from edge_runtime.signals import Signal
from tests.edge_runtime.leg import (
    JOINTS,
    SENSORS,
    LegRobot,
    ManualClock,
)
from tests.edge_runtime.safety.bench import PERIOD, Bench, asked


def test_a_frozen_imu_stops(bench: Bench) -> None:
    """The samples go on, their numbers and encoders too; the IMU repeats itself."""
    bench.robot.live_imu = False
    for _ in range(6):
        bench.robot.values["joint_pos"] += 0.001
        reaction = bench.tick()
    assert (reaction, bench.fault()) == (Reaction.STOP, Fault.FROZEN)


class UprightRobot(LegRobot):
    """A robot that knows its attitude."""

    def __init__(self) -> None:
        super().__init__()
        attitude = Signal("attitude", 4, "1", "world")
        self.description = RobotDescription("leg", JOINTS, (*SENSORS, attitude))
        self._sample = np.zeros(self.description.sample_size, np.float32)
        self.values = self.description.split(self._sample)
        self.values["attitude"][:] = [[1, 0, 0, 0]]


def test_one_bad_attitude_of_the_robots_own_only_holds() -> None:
    bench = Bench(robot=UprightRobot(), fusion=NoFusion())
    assert bench.tick(5) is Reaction.NONE
    bench.robot.values["attitude"][0, 1] = np.nan
    assert bench.tick() is Reaction.HOLD
    assert bench.mode is Mode.RUN
    bench.robot.values["attitude"][0, 1] = 0
    assert bench.tick() is Reaction.NONE
    bench.robot.values["attitude"][:] = [[0.7, 0.7, 0, 0]]
    assert bench.tick() is Reaction.DAMP


class BlinkingRobot(LegRobot):
    """A robot with a lidar, which is declared live."""

    def __init__(self) -> None:
        super().__init__()
        lidar = Signal("lidar", 2, "m", "lidar")
        live = ("imu_gyro", "imu_accel", "lidar")
        self.description = RobotDescription("leg", JOINTS, (*SENSORS, lidar), live)
        self._sample = np.zeros(self.description.sample_size, np.float32)
        self.values = self.description.split(self._sample)
        self.frozen = False

    def read(self) -> Sample | None:
        if not self.frozen:
            self.values["lidar"][:] = self._rng.normal(3.0, 0.01, (1, 2))
        return super().read()


def test_a_frozen_lidar_stops() -> None:
    """Its IMU and everything else live on."""
    robot = BlinkingRobot()
    bench = Bench(robot=robot)
    assert bench.tick(10) is Reaction.NONE
    robot.frozen = True
    assert bench.tick(6) is Reaction.STOP
    assert bench.fault() is Fault.FROZEN


def test_an_old_reading_under_a_new_number_is_stale(bench: Bench) -> None:
    bench.robot.stamp = 0.02 * bench.robot.sequence
    assert bench.tick(3) is Reaction.HOLD
    assert bench.fault() is Fault.STALE
    assert bench.tick(9) is Reaction.STOP


class EncodedRobot(LegRobot):
    """A robot whose encoders repeat themselves at standstill only."""

    def __init__(self) -> None:
        super().__init__()
        live = ("joint_pos", "joint_vel")
        self.description = dataclasses.replace(self.description, live_moving=live)


@pytest.mark.parametrize("frozen", ["joint_pos", "joint_vel"])
def test_encoders_that_are_frozen_in_motion_stop(frozen: str) -> None:
    robot = EncodedRobot()
    bench = Bench(robot=robot)
    robot.values["joint_vel"][:] = [[0.0, 0.0, -2.0]]
    (alive,) = {"joint_pos", "joint_vel"} - {frozen}
    reactions = []
    for _ in range(7):  # the first is new to the loop
        robot.values[alive] -= 0.01
        reactions.append(bench.tick())
    assert reactions == [Reaction.NONE] * 6 + [Reaction.STOP]
    assert bench.fault() is Fault.FROZEN


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_encoders_at_standstill_may_repeat(noise: float) -> None:
    """Also where speeds are made from positions and hum a little."""
    robot = EncodedRobot()
    bench = Bench(robot=robot)
    for step in range(20):
        robot.values["joint_vel"][:] = noise * np.sin(step)
        assert bench.tick() is Reaction.NONE


def test_a_nan_that_nobody_reads_leaves_the_policy_to_stop() -> None:
    """A sole's force sensor that breaks need not make a walker fall."""
    robot = LegRobot()
    robot.description = RobotDescription("leg", JOINTS, (*SENSORS, Signal("foot_force", 1, "N")))
    robot._sample = np.zeros(robot.description.sample_size, np.float32)
    robot.values = robot.description.split(robot._sample)
    bench = Bench(robot=robot)
    bench.tick(5)
    robot.values["foot_force"][:] = np.nan
    assert [bench.tick() for _ in range(6)] == [Reaction.HOLD] * 5 + [Reaction.STOP]
    targets = {bench.target.tobytes() for _ in range(50) if bench.tick()}
    assert len(targets) == 50 and asked(bench) == [0.0, 0.0, 0.0]
    robot.values["joint_vel"][:] = np.nan  # which it does read: now a ramp to the default pose
    before = bench.loop.controller.last_action.copy()
    bench.tick(60)
    assert (bench.loop.controller.last_action == before).all()
    np.testing.assert_allclose(bench.target, [0.0, 0.1, 0.2], atol=1e-6)
    assert bench.mode is Mode.DAMP


class HangingRobot(LegRobot):
    """A robot whose `read` blocks once."""

    clock: ManualClock
    hang = 0  # ns

    def read(self) -> Sample | None:
        self.clock.now += self.hang
        self.hang = 0
        return super().read()


def test_a_sample_that_came_late_is_not_stale_when_it_comes() -> None:
    """`read` hung for 5 periods and gave a fresh sample; the next tick is at once, without one."""
    robot = HangingRobot()
    bench = Bench(robot=robot)
    robot.clock = bench.clock
    bench.tick(10)
    robot.hang = 5 * PERIOD
    assert bench.tick() is Reaction.NONE
    robot.dead = True
    bench.clock.now -= PERIOD  # the release of the periods missed has passed already
    assert bench.tick(missed=0) is Reaction.NONE
    robot.dead = False
    assert bench.tick() is Reaction.NONE
    assert bench.loop.guard.measures[Fault.STALE] == pytest.approx(0.0)


class UnitRobot(LegRobot):
    """A robot whose gyroscope and accelerometer read so many times too much."""

    def __init__(self, factors: tuple[float, float]) -> None:
        self.factors = factors
        super().__init__()

    def _hum(self) -> None:
        super()._hum()
        burst = self.values["imu_burst"].reshape(-1, 6)
        burst[:, :3] += 0.005  # its bias
        burst *= np.repeat(self.factors, 3)
        self.values["imu_gyro"][:], self.values["imu_accel"][:] = np.split(burst.mean(0), 2)


@pytest.mark.parametrize(
    ("factors", "says"), [((57.3, 1.0), "deg/s"), ((1.0, 1 / 9.81), "in g")], ids=["deg/s", "g"]
)
def test_an_imu_in_another_unit_makes_limp(factors: tuple[float, float], says: str) -> None:
    """The attitude alone would go on, and the policy with it."""

    robot = UnitRobot(factors)
    bench = Bench(robot=robot)
    reactions = [bench.tick() for _ in range(60)]
    assert reactions[-1] is Reaction.DAMP
    assert bench.loop.guard.latched is Reaction.DAMP
    assert reactions.index(Reaction.DAMP) <= 56  # 1 s of rest and 5 periods
    assert says in bench.loop.lost_because
    robot.factors = (1.0, 1.0)
    bench.loop.reset()
    assert bench.tick(60) is Reaction.NONE
    robot.factors = factors
    bench.loop.reset()
    bench.tick(60)
    assert bench.loop.fusion.reason == bench.loop.lost_because
