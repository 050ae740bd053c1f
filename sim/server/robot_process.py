"""Runs a simulated robot in a process of its own, as the driver `sim` of `sim2edge run`."""

import contextlib
import importlib
import importlib.util
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edge_runtime.child_program import child_program
from edge_runtime.connect import DriverRequest, fulfils
from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.files import descriptor
from edge_runtime.robot.robot import Robot
from edge_runtime.robot.shared_memory import SharedMemoryRobot, segment_path

_PROGRAM = "sim.server.simulated_robot"
_STARTUP_SECONDS = 60.0


@fulfils("seed", "randomize", "record", "device", "practice", "lockstep")
@contextlib.contextmanager
def simulated_robot(request: DriverRequest) -> Iterator[Robot]:
    """Starts a simulated robot, connects to it over shared memory, and ends its process at last.

    Args:
        request: the task whose world it lives in, and how it is randomized and recorded.

    Raises:
        UserError: the simulator is not installed, or its process failed.
    """
    if importlib.util.find_spec("mujoco") is None:
        raise UserError(f"the simulated robot is not installed; {install_line('sim')}")
    if request.lockstep:
        yield _in_lockstep(request)
        return
    name = f"run-{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryFile() as complaints:
        # In a session of its own, so that Ctrl-C reaches the loop alone, which then ends it.
        process = subprocess.Popen(
            _command_line(name, request),
            start_new_session=True,
            stderr=complaints,
            pass_fds=_open_files(request.record),
        )
        try:
            robot = SharedMemoryRobot.wait_for(
                name, _STARTUP_SECONDS, alive=lambda: process.poll() is None
            )
            with contextlib.closing(robot):
                yield robot
        finally:
            _end(process)
            segment_path(name).unlink(missing_ok=True)
            if process.returncode > 0:
                raise UserError(f"the simulated robot failed: {_last_line(complaints)}")


def _in_lockstep(request: DriverRequest) -> Robot:
    """Returns a robot in this process, which waits for each command."""
    program = importlib.import_module(_PROGRAM)  # MuJoCo is loaded for it alone
    task = program.find_device(request.task, request.device)
    robot: Robot = program.LockstepRobot(
        program.SimulatedRobot.at_rest(
            task,
            request.seed,
            truth=request.truth,
            randomize=request.randomize,
            practice=request.practice,
        )
    )
    return robot


def _open_files(record: Path | None) -> tuple[int, ...]:
    """Returns the file that a record such as /dev/fd/63 stands for, which the process must get."""
    number = None if record is None else descriptor(record)
    return () if number is None else (number,)


def _command_line(name: str, request: DriverRequest) -> list[str]:
    line = [*child_program(_PROGRAM), name, request.task, "--seed", str(request.seed)]
    if request.randomize:
        line.append("--randomize")
    if request.device is not None:
        line += ["--device", str(request.device)]
    if request.practice:
        line.append("--practice")
    if request.truth:
        line.append("--truth")
    if request.record is not None:
        line += ["--record", str(request.record), "--command", *map(str, request.command)]
    if request.fifo:
        line += ["--fifo", str(request.fifo)]
    return line


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STARTUP_SECONDS)  # it may have a recording to write
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
