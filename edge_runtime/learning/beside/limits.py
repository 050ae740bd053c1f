"""Says when a robot has no power, coolness, time or room to spare for learning."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config.fields import setting

_MICRO, _MILLI = 1e-6, 1e-3


@dataclass(frozen=True)
class LimitsConfig:
    """Sets when learning pauses; each limit must be cleared by some margin before it goes on."""

    battery: float = setting(
        30.0, "Charge below which it pauses while nothing charges.", "%", at_least=0, at_most=100
    )
    temperature: float = setting(
        85.0, "Temperature of the hottest sensor above which it pauses.", "°C", above=0
    )
    load: float = setting(
        2.0, "Load of a minute, for each CPU, above which it pauses.", above=0, infinite=True
    )
    disk: float = setting(200.0, "Free room on the disk below which it pauses.", "MB", at_least=0)
    margin: float = setting(
        0.1, "Share of a limit by which it must be cleared to go on.", at_least=0, at_most=0.9
    )


@dataclass(frozen=True)
class Readings:
    """Holds what the system says of itself; None where it does not."""

    battery: float | None = None  # % of the emptiest battery that nothing charges
    temperature: float | None = None  # °C of the hottest sensor
    load: float | None = None  # of a minute, for each CPU
    disk: float | None = None  # MB that are free


def read_system(disk: Path, root: Path = Path("/")) -> Readings:
    """Reads the system's state.

    Args:
        disk: a folder on the disk that counts.
        root: where /sys and /proc are.
    """
    charges = [
        charge
        for supply in _under(root / "sys/class/power_supply")
        if _text(supply / "type") == "Battery" and _text(supply / "status") == "Discharging"
        for charge in _numbers(supply / "capacity")
    ]
    temperatures = [
        value * _MILLI
        for zone in _under(root / "sys/class/thermal")
        for value in _numbers(zone / "temp")
    ]
    load = next(_numbers(root / "proc/loadavg"), None)
    cpus = os.cpu_count() or 1
    free = None
    with suppress(OSError):
        free = shutil.disk_usage(disk).free * _MICRO
    return Readings(
        min(charges, default=None),
        max(temperatures, default=None),
        None if load is None else load / cpus,
        free,
    )


def reason_to_pause(readings: Readings, config: LimitsConfig, paused: bool) -> str:
    """Returns why learning must pause, in a few words; empty if it may go on.

    Args:
        readings: what the system says.
        config: the limits.
        paused: whether it pauses already, so that limits must be cleared by the margin.
    """
    margin = config.margin if paused else 0.0
    for what, value, lowest, unit in (
        ("battery", readings.battery, config.battery, " %"),
        ("free disk", readings.disk, config.disk, " MB"),
    ):
        if value is not None and value < lowest * (1 + margin):
            return f"{what} {value:.3g}{unit}, below {lowest * (1 + margin):.3g}{unit}"
    for what, value, highest, unit in (
        ("temperature", readings.temperature, config.temperature, " °C"),
        ("load", readings.load, config.load, " for each CPU"),
    ):
        if value is not None and value > highest * (1 - margin):
            return f"{what} {value:.3g}{unit}, above {highest * (1 - margin):.3g}{unit}"
    return ""


class Limits:
    """Remembers whether learning pauses, and why.

    Args:
        config: the limits.
        read: reads the system.
    """

    def __init__(self, config: LimitsConfig, read: Callable[[], Readings]) -> None:
        self._config, self._read = config, read
        self.why = ""  # it pauses; empty if it does not

    def look(self) -> bool:
        """Reads the system; returns whether learning begins to pause, or goes on again."""
        before = self.why
        self.why = reason_to_pause(self._read(), self._config, bool(before))
        return bool(before) != bool(self.why)


def _under(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _text(path: Path) -> str:
    with suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8").strip()
    return ""


def _numbers(path: Path) -> Iterator[float]:
    """Yields the first number in a file, if there is one."""
    with suppress(ValueError, IndexError):
        yield float(_text(path).split()[0])
