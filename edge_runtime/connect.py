"""Connects to the robot that a command names."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.plugins import Registry, import_user_module
from edge_runtime.robot.robot import Robot

SIMULATED = "sim"  # the driver of the simulated robot


@dataclass(frozen=True)
class DriverRequest:
    """Requests a robot from a driver.

    `seed`, `randomize`, `record`, `device`, `practice` and `lockstep` reach only a driver that
    declares them by `fulfils`. The driver of a real robot may ignore the others.
    """

    task: str
    """The task that the policy was trained for."""
    seed: int = 0
    """Seed of everything random in a simulated world."""
    randomize: bool = False
    """Whether to draw a simulated robot by the task's domain randomization, and push it."""
    record: Path | None = None
    """The .npz file for a simulated robot's motion."""
    device: Path | None = None
    """A file that says how a simulated robot is worn."""
    practice: bool = False
    """Whether a simulated robot is put back after a fall; its signal `restarts` counts that."""
    lockstep: bool = False
    """Whether a simulated robot waits for each command, in this process."""
    command: tuple[float, ...] = ()
    """The operator's command, which the record shows."""
    truth: bool = False
    """Whether samples hold true attitude, velocity and position too."""
    fifo: int = 0
    """Priority of the robot's process under SCHED_FIFO; 0 for the normal scheduler."""


Connect = Callable[[DriverRequest], contextlib.AbstractContextManager[Robot]]


@dataclass(frozen=True)
class Driver:
    """Connects to a robot, and fulfils options that a function alone is not asked for."""

    connect: Connect
    fulfils: tuple[str, ...]  # of the options that not every driver gets

    def __call__(self, request: DriverRequest) -> contextlib.AbstractContextManager[Robot]:
        """Returns a context manager of the connected robot."""
        return self.connect(request)


DRIVERS: Registry[Connect] = Registry("sim2edge.drivers", "robot")
"""Drivers by the name that `--robot` takes: each maps a `DriverRequest` to a context manager that
yields the connected `Robot`."""

# Options that a driver must declare to get them.
_OPTIONS = ("seed", "randomize", "record", "device", "practice", "lockstep")


def fulfils(*options: str) -> Callable[[Connect], Driver]:
    """Declares which of the simulated robot's options a driver fulfils; others are refused."""
    return lambda connect: Driver(connect, options)


@contextlib.contextmanager
def connect(name: str, request: DriverRequest) -> Iterator[Robot]:
    """Connects to a robot, and disconnects at the end of the block.

    Args:
        name: a driver's name, or MODULE:FACTORY.
        request: what a named driver needs to know.

    Raises:
        UserError: there is no such robot, its driver fails, or it cannot fulfil the request.
    """
    driver = _of_factory(name) if ":" in name else _driver(name)
    fulfilled = driver.fulfils if isinstance(driver, Driver) else ()
    for field in fields(request):
        asked = field.name in _OPTIONS and getattr(request, field.name) != field.default
        if asked and field.name not in fulfilled:
            raise UserError(
                f"--{field.name} is for the simulated robot alone, and the robot is '{name}'; "
                "leave it out"
            )
    with contextlib.ExitStack() as stack:
        try:
            robot = stack.enter_context(driver(request))
        except UserError:
            raise
        except Exception as error:
            raise UserError(failure_of(name, error)) from error
        yield robot


def failure_of(robot: str, error: BaseException) -> str:
    """Describes an error of a robot's driver in one line."""
    return f"robot '{robot}' failed: {type(error).__name__}: {error}"


def _driver(name: str) -> Connect:
    if name not in DRIVERS:
        raise UserError(f"{DRIVERS.unknown(name)}, or give MODULE:FACTORY")
    try:
        return DRIVERS.find(name)
    except ModuleNotFoundError as error:  # raised for our own drivers, each of which is an extra
        raise UserError(
            f"robot '{name}' needs {error.name}, which is not installed; {install_line(name)}"
        ) from None


def _of_factory(name: str) -> Connect:
    """Makes a driver of a factory in a module that is installed or in the working folder."""
    module, _, factory = name.partition(":")
    if not (module and factory):
        raise UserError(f"unknown robot '{name}'; give a driver's name or MODULE:FACTORY")
    try:
        make = getattr(import_user_module(module, os.getcwd()), factory, None)
    except UserError as error:
        raise UserError(f"unknown robot '{name}': {error}") from error
    if make is None:
        raise UserError(f"unknown robot '{name}'; module '{module}' has no '{factory}'")
    return lambda request: contextlib.closing(make())
