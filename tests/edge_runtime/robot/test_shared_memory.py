"""A robot in another process, over shared memory."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.robot.robot import ActuatorCommand, Mode, RobotDescription, Sample
from edge_runtime.robot.shared_memory import RobotServer, SharedMemoryRobot, segment_path
from edge_runtime.signals import Signal
from tests.edge_runtime.leg import LegRobot

WIDE = RobotDescription("wide", ("joint",), (Signal("lidar", 20_000, "m", "lidar"),))


@pytest.fixture
def name() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


@contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python, which says 'ready' when it is."""
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_samples_and_commands_arrive_whole(name: str) -> None:
    leg = LegRobot()
    with RobotServer(name, leg.description) as server:
        robot = SharedMemoryRobot(name)
        assert robot.description == leg.description
        assert robot.read() is None
        assert server.command() is None
        sent = leg.read()
        server.publish(sent)
        received = robot.read()
        assert received is not None
        assert received[:2] == sent[:2]
        assert received.values.tobytes() == sent.values.tobytes()
        assert robot.read() is received
        three = np.arange(3, dtype=np.float32)
        robot.write(ActuatorCommand(7, Mode.DAMP, three, three + 1, three + 2))
        command = server.command()
        assert command is not None
        assert (command.sequence, command.mode) == (7, Mode.DAMP)
        assert [a.tolist() for a in command[2:]] == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
        assert server.command() is None
        robot.close()


def test_only_the_newest_counts(name: str) -> None:
    leg = LegRobot()
    with RobotServer(name, leg.description) as server:
        robot = SharedMemoryRobot(name)
        for sequence in range(1, 100):
            server.publish(leg.read()._replace(sequence=sequence))
        sample = robot.read()
        assert sample is not None
        assert sample.sequence == 99
        robot.close()


WRITER = """
import sys
import numpy as np
from edge_runtime.robot.robot import RobotDescription, Sample
from edge_runtime.robot.shared_memory import RobotServer
from edge_runtime.signals import Signal

wide = RobotDescription("wide", ("joint",), (Signal("lidar", 20_000, "m", "lidar"),))
with RobotServer(sys.argv[1], wide) as server:
    print("ready", flush=True)
    sequence = 0
    while True:
        sequence += 1
        server.publish(Sample(sequence, 0.0, np.full(20_000, sequence % 1000, np.float32)))
"""


def test_a_sample_is_never_torn_by_a_hasty_writer(name: str) -> None:
    """The writer overwrites 80 kB entries as fast as it can while they are read."""
    with process(WRITER, name):
        robot = SharedMemoryRobot(name)
        seen, until = set(), time.monotonic() + 30.0
        while len(seen) < 200 and time.monotonic() < until:
            sample = robot.read()
            if sample is not None:
                assert (sample.values == sample.sequence % 1000).all()
                seen.add(sample.sequence)
        robot.close()
    assert len(seen) == 200
    segment_path(name).unlink(missing_ok=True)


def test_a_writer_that_was_killed_leaves_the_last_sample(name: str) -> None:
    with process(WRITER, name) as writer:
        robot = SharedMemoryRobot(name)
        while robot.read() is None:
            time.sleep(0.001)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        last = robot.read()
        assert last is not None
        assert (last.values == last.sequence % 1000).all()
        assert robot.read() is last
        robot.close()
    segment_path(name).unlink()


def test_nothing_is_left_behind(name: str) -> None:
    with RobotServer(name, WIDE) as server:
        assert segment_path(name).exists()
        robot = SharedMemoryRobot(name)
        server.publish(Sample(1, 0.0, np.ones(20_000, np.float32)))
        sample = robot.read()
    assert not list(segment_path(name).parent.glob(f"{segment_path(name).name}*"))
    robot.write(ActuatorCommand(1, Mode.RUN, *np.zeros((3, 1), np.float32)))  # to nobody
    robot.close()
    assert sample is not None
    assert sample.values.sum() == 20_000


def test_what_is_live_arrives(name: str) -> None:
    for live in (None, (), ("lidar",)):
        wide = dataclasses.replace(WIDE, live=live, live_moving=live or ())
        with RobotServer(name, wide):
            robot = SharedMemoryRobot(name)
            assert robot.description == wide
            robot.close()


def test_two_robots_cannot_have_one_name(name: str) -> None:
    with RobotServer(name, WIDE) as first:
        first.publish(Sample(1, 0.0, np.ones(20_000, np.float32)))
        with pytest.raises(UserError, match=f"served as '{name}' already") as error:
            RobotServer(name, LegRobot().description)
        assert "\n" not in str(error.value)
        robot = SharedMemoryRobot(name)
        assert robot.description == WIDE
        assert robot.read() is not None
        robot.close()
    assert not list(segment_path(name).parent.glob(f"{segment_path(name).name}*"))
    with RobotServer(name, LegRobot().description) as second:
        assert second.path.exists()


def test_the_name_of_a_killed_robot_is_free_again(name: str) -> None:
    with process(WRITER, name) as writer:
        with pytest.raises(UserError, match="already"):
            RobotServer(name, LegRobot().description)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert segment_path(name).exists()
        with RobotServer(name, LegRobot().description):
            robot = SharedMemoryRobot(name)
            assert robot.description == LegRobot().description
            robot.close()
    assert not segment_path(name).exists()


def test_a_server_leaves_anothers_memory_alone(name: str) -> None:
    """Someone cleared the folder, and another robot has the name since."""
    with RobotServer(name, WIDE) as first:
        first.path.unlink()
        with RobotServer(name, LegRobot().description):
            first.close = lambda: None  # type: ignore[method-assign]
            RobotServer.close(first)
            assert segment_path(name).exists()


def test_says_when_there_is_no_robot(name: str) -> None:
    with pytest.raises(UserError, match=name):
        SharedMemoryRobot(name)
    with pytest.raises(UserError, match=r"within 0\.05 s"):
        SharedMemoryRobot.wait_for(name, 0.05)
    with pytest.raises(UserError, match="process ended"):
        SharedMemoryRobot.wait_for(name, 5.0, alive=lambda: False)


def test_says_when_it_is_something_else(name: str) -> None:
    segment_path(name).write_bytes(b"\0" * 4096)
    try:
        with pytest.raises(UserError, match="not a robot of this version"):
            SharedMemoryRobot(name)
    finally:
        segment_path(name).unlink()


def test_a_shared_memory_without_room_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container has 64 kB of it at times; writing beyond would end the process."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"shared memory in /dev/shm has no room for .*--shm-size"):
        RobotServer(name, WIDE)
    assert not list(segment_path(name).parent.glob(f"sim2edge-{name}*"))
