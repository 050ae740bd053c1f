"""Provides a loop to be ticked by hand, with a log."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_recorder import RunRecorder
from tests.edge_runtime.leg import BURST, ManualClock, make_contract, make_model
from tests.edge_runtime.recording.logged import Logged, ReadingRobot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.s2elog"


@pytest.fixture
def logged(path: Path) -> Iterator[Logged]:
    """A loop to be ticked by hand, with a log."""
    robot = ReadingRobot()
    fusion = AttitudeFusion(0.02, BURST)
    policy = Policy(make_model(make_contract()), "first.onnx")
    loop = ControlLoop(policy, robot, fusion, LoopConfig(rules=()), ManualClock())
    with closing(BlockFile(path, 10**7)) as file:
        log = RunRecorder(file, loop, "vqf", every=0.002)
        loop.add_observer(log)
        yield loop, robot, log
        log.close()
