"""Provides a small robot that remembers its samples, and a loop with a log."""

import time
from pathlib import Path

import numpy as np

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.recording.run_log_format import RunRecord
from edge_runtime.recording.run_recorder import RunRecorder
from edge_runtime.replay.readers.robot_run import read_run
from edge_runtime.replay.replay_log import replay_log
from edge_runtime.replay.replayed_fusion import ReplayedFusion
from edge_runtime.robot.robot import Sample
from tests.edge_runtime.leg import LegRobot

ROOT = Path(__file__).parents[3]


class ReadingRobot(LegRobot):
    """A small robot that remembers what it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []

    def read(self) -> Sample | None:
        sample = super().read()
        assert sample is not None
        self.given.append(sample.values.tobytes())
        return sample


Logged = tuple[ControlLoop, ReadingRobot, RunRecorder]


def replayed(path: Path) -> ReplayedFusion:
    log = read_run(path)
    assert isinstance(log.config, RunRecord)
    estimator = ReplayedFusion(log.config, log.estimator)
    replay_log(estimator, log)
    return estimator


def a_reset_in_flight(loop: ControlLoop, robot: ReadingRobot) -> None:
    """Lost until it reads gravity again."""
    up, robot._accel = robot._accel, np.zeros(3, np.float32)
    loop.reset()
    for _ in range(5):
        loop.tick()
    assert loop.fusion.lost
    robot._accel = up


def ticks(loop: ControlLoop, log: RunRecorder, count: int) -> None:
    """Several blocks of ticks."""
    for _ in range(count):
        loop.tick()
        while log.as_dictionary()["rows_lost"]:  # given, and not yet written
            time.sleep(0.001)
