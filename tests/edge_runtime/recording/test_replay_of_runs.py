"""A replay of a run's log gives the loop's estimates to the bit."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.estimators import find_fusion
from edge_runtime.fusion.measurement import FusedSample
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_recorder import RunRecorder
from edge_runtime.replay.readers.robot_run import read_run
from edge_runtime.replay.replayed_fusion import ReplayedFusion
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks import find_task
from tests.edge_runtime.recording.logged import (
    ROOT,
    Logged,
    ReadingRobot,
    a_reset_in_flight,
    replayed,
)


def lost_samples(loop: ControlLoop, robot: ReadingRobot) -> None:
    robot.sequence += 7


def a_pause(loop: ControlLoop, robot: ReadingRobot) -> None:
    robot.dead = True
    for _ in range(4):
        loop.tick()
    robot.dead = False


def not_finite(loop: ControlLoop, robot: ReadingRobot) -> None:
    robot.values["joint_vel"][:] = np.nan
    for _ in range(3):
        loop.tick()
    robot.values["joint_vel"][:] = 0


def a_reset(loop: ControlLoop, robot: ReadingRobot) -> None:
    loop.reset()


@pytest.mark.parametrize("event", [lost_samples, a_pause, not_finite, a_reset, a_reset_in_flight])
def test_a_replay_gives_the_loops_estimates_to_the_bit(
    logged: Logged, path: Path, event: Callable[[ControlLoop, ReadingRobot], None]
) -> None:
    loop, robot, log = logged
    for begin in (True, False):
        for _ in range(30):
            robot.lean(0.2 * np.sin(0.1 * robot.sequence))
            loop.tick()
        if begin:
            event(loop, robot)
    log.close()
    estimator = replayed(path)
    assert estimator.readings > 55
    assert estimator.verdict() == "as in the loop, to the bit"


@pytest.mark.parametrize(
    ("task", "fusion"), [("HumanoidVelocity", "legged"), ("VehicleTrack", "wheeled")]
)
def test_the_big_filters_are_replayed_to_the_bit_and_judged_by_the_truth(
    path: Path, task: str, fusion: str
) -> None:
    """With samples lost and the estimator reset on the way, and the truth beside."""
    policy = Policy.load(ROOT / "assets" / "policies" / f"{task}.onnx")
    simulated = SimulatedRobot(find_task(task), seed=1, truth=True)
    robot = LockstepRobot(simulated)
    estimator = find_fusion(fusion, policy.contract, robot.description)
    loop = ControlLoop(policy, robot, estimator, LoopConfig(rules=()))
    truth = []
    with closing(BlockFile(path, 10**7)) as file:
        log = RunRecorder(file, loop, fusion)
        loop.add_observer(log)
        for tick in range(150):
            truth.append(simulated.env.engine.sensor("true_position")[0].copy())
            simulated.sequence += 3 if tick == 40 else 0
            if tick == 70:
                loop.reset()
            loop.tick()
        log.close()
    assert replayed(path).verdict() == "as in the loop, to the bit"
    read = read_run(path)
    assert read.reference is not None
    assert read.reference.position == pytest.approx(np.array(truth), abs=1e-4)
    # From the second sample on: the first one's sensors were read a physics step later.
    moved = np.diff(truth[1:], axis=0) / policy.contract.control_period
    velocity = read.reference.velocity[1:]
    assert np.abs(0.5 * (velocity[1:] + velocity[:-1]) - moved).max() < 0.15  # m/s, steps of a foot


def test_a_sensor_that_was_changed_in_the_log_is_noticed(logged: Logged, path: Path) -> None:
    """So the comparison above can fail."""
    loop, _, log = logged
    for _ in range(30):
        loop.tick()
    log.close()
    read = read_run(path)
    reading = read.measurements[10]
    assert isinstance(reading, FusedSample)
    burst = np.array(reading.signals["imu_burst"])
    burst[0, 0] += 1e-4
    changed = reading._replace(signals={**reading.signals, "imu_burst": burst})
    estimator = ReplayedFusion(read.config, "vqf")
    for place, measurement in enumerate(read.measurements):
        estimator.update(changed if place == 10 else measurement)
    assert estimator.differing[0] == reading.stamp
    assert "20 of 30 estimates are not those of the loop, first at 0.22 s" in estimator.verdict()
