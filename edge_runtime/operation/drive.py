"""Drives a robot for a while, shows how that goes, and brings the robot to rest."""

import shutil
import threading
import time
from collections.abc import Callable
from typing import Protocol

from edge_runtime.connect import SIMULATED, failure_of
from edge_runtime.console import cropped, is_colored, is_live, plain
from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.session import Session
from edge_runtime.policy.contract import Contract
from edge_runtime.report.run_report import broken_rules, table
from edge_runtime.robot.robot import Robot
from edge_runtime.safety.possible_robot import PossibleRobot

_REFRESH_SECONDS = 0.5
_WAKING_SECONDS = 0.01  # between two checks for the robot's first sample


class Attendant(Protocol):
    """Attends to a run beside its loop, from the operator's thread."""

    def look(self) -> None:
        """Does what is due; it is called twice a second."""
        ...

    def rest(self) -> None:
        """Leaves the robot to a policy that is trusted, which then brings it to rest."""
        ...

    def shown(self) -> list[str]:
        """Returns lines that are shown below the run's table."""
        ...


def drive(
    session: Session,
    seconds: float,
    interrupted: threading.Event,
    attendant: Attendant,
    pace: Callable[[], None] | None = None,
) -> None:
    """Runs the loop for its time and shows the table meanwhile.

    Args:
        session: the session, before its start.
        seconds: how long, s; 0 until interrupted.
        interrupted: ends it.
        attendant: attends to it.
        pace: ticks the loop until it has ended, which is then at rest; in real time by default.

    Raises:
        UserError: the robot gave no sample, or its driver failed.
    """
    loop = session.loop
    contract = loop.controller.contract
    live = is_live()
    session.start(pace)
    shown = 0
    try:
        # Locking the memory and waking up the robot do not count as driving.
        while loop.running and not loop.sensors.new and not interrupted.wait(_WAKING_SECONDS):
            pass
        print(
            f"{plain(loop.controller.policy.source)}: {plain(contract.task)} on "
            f"{plain(loop.robot.description.name)} at "
            f"{1e9 / loop.period:g} Hz, {f'{seconds:g} s' if seconds else 'until interrupted'}",
            flush=True,
        )
        until = time.monotonic() + seconds if seconds and pace is None else float("inf")
        while time.monotonic() < until and not interrupted.is_set() and loop.running:
            interrupted.wait(min(_REFRESH_SECONDS, max(0.0, until - time.monotonic())))
            attendant.look()
            if live:
                shown = _redraw([*table(loop, is_colored()), *attendant.shown()], shown)
        was_interrupted = interrupted.is_set()
        driven = loop.ticks
        attendant.rest()
        interrupted.clear()  # a second signal skips this
        if pace is None:
            session.come_to_rest(interrupted)
    finally:
        _end_session(session)
    if not loop.ticks and not was_interrupted:
        raise UserError(_no_samples(loop))
    _show([*table(loop, is_colored()), *attendant.shown()], shown)
    print(f"{driven} ticks driving, {loop.ticks - driven} more to bring the robot to rest")
    for line in broken_rules(loop):
        print(f"guard: {line}")
    if isinstance(session.robot, PossibleRobot) and session.robot.refused:
        print(f"refused: {session.robot.described()}")
    for line in loop.observer_failures:
        print(f"observer: {line}")
    for what, state in loop.realtime_report.items():
        if "refused" in state:
            print(f"{what}: {state}")


def _no_samples(loop: ControlLoop) -> str:
    """Returns why the robot could not be driven by its samples."""
    name = f"robot '{loop.robot.description.name}'"
    if isinstance(loop.robot, PossibleRobot) and loop.robot.refused:
        return f"{name} gave no possible sample: {loop.robot.first_complaint}"
    what = "only samples with NaN or infinity" if loop.sensors.new else "no sample"
    return f"{name} gave {what}; is it switched on and healthy?"


def _gave_nothing_possible(loop: ControlLoop) -> bool:
    robot = loop.robot
    return isinstance(robot, PossibleRobot) and robot.refused > 0 and not loop.sensors.new


def _end_session(session: Session) -> None:
    """Stops the robot under control.

    Raises:
        UserError: the robot's driver failed, or does not return from a call.
    """
    try:
        session.end()
    except UserError as error:
        if _gave_nothing_possible(session.loop):
            raise UserError(_no_samples(session.loop)) from error
        raise
    except Exception as error:
        failure = failure_of(session.robot.description.name, error)
        raise UserError(f"{failure}; report.json has the traceback") from error


def _redraw(lines: list[str], shown: int) -> int:
    """Shows as much as fits on the terminal, whose longer lines would push others up."""
    columns, rows = shutil.get_terminal_size()
    return _show([cropped(line, columns - 1) for line in lines[: rows - 1]], shown)


def _show(lines: list[str], shown: int) -> int:
    """Prints lines over the `shown` ones above; returns how many they are."""
    up = f"\x1b[{shown}A\x1b[J" if shown else ""
    print(up + "\n".join(lines), flush=True)
    return len(lines)


def possible_robot(robot: Robot, name: str, contract: Contract) -> Robot:
    """Returns the robot without impossible samples, which a simulated one does not give."""
    if name == SIMULATED:
        return robot
    return PossibleRobot(robot, contract.actuators, contract.control_period)


def refused(robot: Robot) -> dict[str, object] | None:
    """Returns what was impossible of a robot's samples; None of one that is not judged."""
    if not isinstance(robot, PossibleRobot):
        return None
    return {"samples": robot.refused, "first": robot.first_complaint}
