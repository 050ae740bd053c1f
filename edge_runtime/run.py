"""`sim2edge run`: drive a robot with a policy, inside the latency budget."""

import contextlib
import importlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from edge_runtime.child_program import child_program
from edge_runtime.errors import UserError
from edge_runtime.estimators import AUTO, find_fusion, find_name
from edge_runtime.files import make_folder, write_file
from edge_runtime.loop.control_loop import ControlLoop, LoopConfig
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy import providers
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.recorder import RunLog
from edge_runtime.report.latency_picture import latency_svg
from edge_runtime.report.run_report import as_dictionary, broken_rules, table
from edge_runtime.robot.robot import Robot
from edge_runtime.robot.shared_memory import SharedMemoryRobot, segment_path
from edge_runtime.signals import Array
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.trial import Comparison

SIMULATED = "sim"  # the name of the simulated robot
SIMULATOR = "sim.server.simulated_robot"  # started as a program: a robot's process, not a library
_STARTUP_SECONDS = 60.0
_REFRESH_SECONDS = 0.5
_WAKING_SECONDS = 0.01  # between two looks at whether the robot has woken up
STOPPED_BY_GUARD = 1  # exit code


@dataclass(frozen=True)
class RunConfig:
    """Drive a robot with a policy file."""

    policy: Path
    """The policy file (.onnx)."""
    robot: str = SIMULATED
    """'sim' for the simulated robot, or MODULE:FACTORY, which is called and gives a Robot."""
    seconds: float = 20.0
    """How long to drive; 0 until interrupted."""
    command: tuple[float, ...] = ()
    """What to ask for, one number for each command of the policy; zeros by default."""
    report: Path = Path("out/run")
    """Folder for report.json and latency.svg."""
    fusion: str = AUTO
    """The estimator: 'vqf' (attitude), 'legged', 'wheeled' or 'wheeled+lidar' (velocity too),
    'robot' (its own), or 'auto' for the simplest that gives what the policy needs."""
    log: Path | None = None
    """Keep every sample, estimate and command in this file, for `sim2edge fuse`; what was there
    becomes FILE~. The simulated robot adds the truth."""
    log_limit: float = 500.0
    """MB; the log ends there, and keeps the beginning, while the robot drives on."""
    shadow: Path | None = None
    """Another policy file, which sees what the first one sees and drives nothing; the report says
    how far it is from it, and what it took."""
    provider: str = providers.ON_CPU
    """What computes the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest of those that
    are here, measured at the start. If it fails, the CPU does, and the report says why."""
    provider_cache: Path | None = None
    """Folder for what a provider compiles; ~/.cache/sim2edge/engines by default."""
    realtime: RealtimeConfig = field(
        default_factory=lambda: RealtimeConfig(fifo=50, lock_memory=True)
    )
    """What to ask of the operating system; the report says what it refused."""
    seed: int = 0
    """Of the simulated robot's world."""
    randomize: bool = False
    """Draw another simulated robot by the task's domain randomization, and push it."""
    record: Path | None = None
    """Write the simulated robot's motion to this .npz file."""


def main(config: RunConfig) -> int:
    """Run the command; 0 at the end, 1 if the guard had to stop the robot.

    Raises:
        UserError: policy, robot, estimator or options do not fit together, or the robot failed.
    """
    _check_options(config)
    policy, choice = providers.load(config.policy, config.provider, config.provider_cache)
    if choice.wanted != providers.ON_CPU:
        print(f"provider: {choice.described()}", flush=True)
    tried = None if config.shadow is None else Policy.load(config.shadow)
    command = command_values(config.command, policy.contract)
    make_folder(config.report)
    with (
        _log_file(config) as file,
        connect(config, policy.contract) as robot,
        interruptible() as interrupted,
    ):
        name = find_name(config.fusion, policy.contract, robot.description)
        fusion = find_fusion(name, policy.contract, robot.description)
        with contextlib.closing(fusion), contextlib.ExitStack() as stack:
            session = Session(policy, robot, fusion, LoopConfig(realtime=config.realtime))
            loop = session.loop
            loop.command.put(command)
            slots = None
            if tried is not None:
                slots = stack.enter_context(contextlib.closing(PolicySlots(session)))
                slots.shadow(tried)
            log = None if file is None else RunLog(file, loop, name)
            if log is not None:
                loop.add_observer(log)
            try:
                _drive(session, config.seconds, interrupted)
            finally:
                if log is not None:
                    log.close(str(loop.error or ""))
                    print(f"log: {log.described()}")
                shadow = None
                if slots is not None:
                    slots.close()
                    shadow = slots.comparison()
                    print(f"shadow: {shadow.described() if shadow else 'nothing was in it'}")
                print(f"report: {write_report(loop, config.report, choice, log, shadow)}")
    return STOPPED_BY_GUARD if loop.guard.latched else 0


@contextlib.contextmanager
def _log_file(config: RunConfig) -> Iterator[BlockFile | None]:
    """Opened before anything moves, so that one that cannot be written is told by then."""
    if config.log is None:
        yield None
        return
    if not 0 < config.log_limit < math.inf:
        raise UserError(f"--log-limit {config.log_limit:g} MB is no size; take some hundred")
    with contextlib.closing(BlockFile(config.log, round(config.log_limit * 1e6))) as file:
        yield file


def _check_options(config: RunConfig) -> None:
    if not 0 <= config.seconds < math.inf:
        raise UserError(f"--seconds {config.seconds:g} is no duration; 0 is until interrupted")
    if config.robot == SIMULATED:
        return
    default = RunConfig(config.policy)
    for name in ("seed", "randomize", "record"):
        if getattr(config, name) != getattr(default, name):
            raise UserError(
                f"--{name} is of the simulated robot, and the robot is '{config.robot}'; "
                "leave it out"
            )


def command_values(given: tuple[float, ...], contract: Contract) -> Array:
    """The command as an array, (commands,), zeros where none is given.

    Raises:
        UserError: there are more or fewer than the policy has, or one is out of its range.
    """
    known = contract.commands
    if given and len(given) != len(known):
        names = ", ".join(c.name for c in known) or "none"
        raise UserError(
            f"--command has {len(given)} numbers, the policy takes {len(known)}: {names}"
        )
    for value, of in zip(given, known):
        if not of.lower <= value <= of.upper:
            raise UserError(
                f"--command: {of.name} {value:g} {of.unit} is beyond the trained "
                f"{of.lower:g} to {of.upper:g}"
            )
    return np.array(given or [0.0] * len(known), np.float32)


@contextlib.contextmanager
def connect(config: RunConfig, contract: Contract) -> Iterator[Robot]:
    """The robot that `--robot` names, for as long as it is needed."""
    with contextlib.ExitStack() as stack:
        if config.robot == SIMULATED:
            yield stack.enter_context(_simulated(config, contract.task))
        else:
            robot = _make_robot(config.robot)
            stack.callback(robot.close)
            yield robot


@contextlib.contextmanager
def _simulated(config: RunConfig, task: str) -> Iterator[Robot]:
    """The simulated robot in a process of its own, which ends with this block."""
    if importlib.util.find_spec("sim") is None or importlib.util.find_spec("mujoco") is None:
        raise UserError("the simulated robot is not installed; pip install 'sim2edge[sim]'")
    name = f"run-{os.getpid()}-{time.monotonic_ns()}"
    arguments = [*child_program(SIMULATOR), name, task, "--seed", str(config.seed)]
    if config.randomize:
        arguments.append("--randomize")
    if config.log is not None:
        arguments.append("--truth")
    if config.record is not None:
        arguments += ["--record", str(config.record), "--command", *map(str, config.command)]
    if config.realtime.fifo > 1:
        arguments += ["--fifo", str(config.realtime.fifo - 1)]
    with tempfile.TemporaryFile() as complaints:
        # In a session of its own, so that Ctrl-C reaches the loop alone, which then ends it.
        process = subprocess.Popen(arguments, start_new_session=True, stderr=complaints)
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


def _make_robot(name: str) -> Robot:
    module, _, factory = name.partition(":")
    sys.path.insert(0, os.getcwd())  # where the user's own module is, as for `python -m`
    unknown = UserError(f"unknown robot '{name}'; give 'sim' or MODULE:FACTORY")
    if not (module and factory):
        raise unknown
    try:
        found = importlib.import_module(module)
        if not hasattr(found, factory):
            raise unknown
        robot: Robot = getattr(found, factory)()
    except UserError:
        raise
    except Exception as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent and f"{module}.".startswith(f"{absent}."):
            raise unknown from None
        raise UserError(_failure(name, error)) from error
    return robot


def _failure(robot: str, error: BaseException) -> str:
    return f"robot '{robot}' failed: {type(error).__name__}: {error}"


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, twice at most; then they do what they did before.

    The first asks for the end, the second for haste; a third ends a process that hangs.
    """
    event = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    asked = 0

    def ask(*_: object) -> None:
        nonlocal asked
        asked += 1
        event.set()
        if asked == 2:
            put_back()

    def put_back() -> None:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)

    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield event
    finally:
        put_back()


def _drive(session: Session, seconds: float, interrupted: threading.Event) -> None:
    """Let the loop run its time and show how it does."""
    loop = session.loop
    contract = loop.controller.contract
    live = sys.stdout.isatty()
    loop.start()
    shown = 0
    try:
        # What it takes to lock the memory, and the robot to wake up, is not driven.
        while loop.running and not loop.sensors.new and not interrupted.wait(_WAKING_SECONDS):
            pass
        print(
            f"{loop.controller.policy.source}: {contract.task} on {loop.robot.description.name} at "
            f"{1e9 / loop.period:g} Hz, {f'{seconds:g} s' if seconds else 'until interrupted'}",
            flush=True,
        )
        until = time.monotonic() + seconds if seconds else float("inf")
        while time.monotonic() < until and not interrupted.is_set() and loop.running:
            interrupted.wait(min(_REFRESH_SECONDS, max(0.0, until - time.monotonic())))
            if live:
                shown = _show(table(loop, color=True), shown)
        was_interrupted = interrupted.is_set()
        interrupted.clear()  # a second signal skips this
        session.come_to_rest(interrupted)
    finally:
        _end_session(session)
    if not loop.ticks and not was_interrupted:
        what = "only samples with NaN or infinity" if loop.sensors.new else "no sample"
        raise UserError(
            f"robot '{loop.robot.description.name}' gave {what}; is it switched on and well?"
        )
    _show(table(loop, color=live), shown)
    for line in broken_rules(loop):
        print(f"guard: {line}")
    for line in loop.observer_failures:
        print(f"observer: {line}")
    for what, state in loop.realtime_report.items():
        if "refused" in state:
            print(f"{what}: {state}")


def _end_session(session: Session) -> None:
    """Stop the robot under control.

    Raises:
        UserError: the robot's driver failed, or does not return from a call.
    """
    try:
        session.end()
    except UserError:
        raise
    except Exception as error:
        failure = _failure(session.robot.description.name, error)
        raise UserError(f"{failure}; report.json has the traceback") from error


def _show(lines: list[str], shown: int) -> int:
    """Print over the `shown` lines above."""
    up = f"\x1b[{shown}A" if shown else ""
    erase = "\x1b[K" if sys.stdout.isatty() else ""
    print(up + "\n".join(f"{line}{erase}" for line in lines), flush=True)
    return len(lines)


def write_report(
    loop: ControlLoop,
    folder: Path,
    choice: providers.Choice,
    log: RunLog | None = None,
    shadow: Comparison | None = None,
) -> Path:
    """Write report.json and latency.svg; the folder."""
    content = {
        **as_dictionary(loop),
        "inference": choice.as_dictionary(),
        "log": None if log is None else log.as_dictionary(),
        "shadow": None if shadow is None else shadow.as_dictionary(),
    }
    report = json.dumps(content, indent=2, allow_nan=False)
    write_file(folder / "report.json", report + "\n")
    write_file(folder / "latency.svg", latency_svg(loop))
    return folder
