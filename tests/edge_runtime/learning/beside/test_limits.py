"""Learning pauses when battery, heat, load or disk say so, and goes on with some margin."""

from pathlib import Path

import pytest

from edge_runtime.learning.beside.limits import (
    Limits,
    LimitsConfig,
    Readings,
    read_system,
    reason_to_pause,
)

CONFIG = LimitsConfig(battery=30, temperature=80, load=2, disk=200, margin=0.1)
FINE = Readings(battery=80, temperature=50, load=0.5, disk=5000)


@pytest.mark.parametrize(
    ("readings", "why"),
    [
        (Readings(battery=29), "battery 29 %, below 30 %"),
        (Readings(temperature=81), "temperature 81 °C, above 80 °C"),
        (Readings(load=2.5), "load 2.5 for each CPU, above 2 for each CPU"),
        (Readings(disk=100), "free disk 100 MB, below 200 MB"),
        (FINE, ""),
        (Readings(), ""),
    ],
)
def test_reasons(readings: Readings, why: str) -> None:
    assert reason_to_pause(readings, CONFIG, paused=False) == why


@pytest.mark.parametrize(
    ("readings", "goes_on"),
    [
        (Readings(battery=32), False),
        (Readings(battery=34), True),
        (Readings(temperature=73), False),
        (Readings(temperature=71), True),
    ],
)
def test_it_goes_on_with_a_margin(readings: Readings, goes_on: bool) -> None:
    assert (reason_to_pause(readings, CONFIG, paused=True) == "") is goes_on
    assert reason_to_pause(readings, CONFIG, paused=False) == ""


def test_changes_are_noticed_once() -> None:
    now = FINE
    limits = Limits(CONFIG, lambda: now)
    assert not limits.look()
    now = Readings(battery=10)
    assert limits.look() and limits.why
    assert not limits.look()
    now = FINE
    assert limits.look() and not limits.why


def made(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_the_system_is_read(tmp_path: Path) -> None:
    supply = "sys/class/power_supply"
    for name, kind, status, charge in (
        ("BAT0", "Battery", "Discharging", "55\n"),
        ("BAT1", "Battery", "Discharging", "42\n"),
        ("BAT2", "Battery", "Charging", "3\n"),
        ("AC", "Mains", "", ""),
    ):
        made(tmp_path, f"{supply}/{name}/type", f"{kind}\n")
        made(tmp_path, f"{supply}/{name}/status", f"{status}\n")
        made(tmp_path, f"{supply}/{name}/capacity", charge)
    made(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48500\n")
    made(tmp_path, "sys/class/thermal/thermal_zone1/temp", "71000\n")
    made(tmp_path, "sys/class/thermal/thermal_zone2/temp", "no number\n")
    made(tmp_path, "proc/loadavg", "3.00 2.00 1.00 1/200 4711\n")
    found = read_system(tmp_path, tmp_path)
    assert (found.battery, found.temperature) == (42, 71)
    assert found.load is not None and 0 < found.load <= 3
    assert found.disk is not None and found.disk > 0


def test_a_system_that_says_nothing(tmp_path: Path) -> None:
    found = read_system(tmp_path / "none", tmp_path)
    assert found == Readings()


def test_this_system_is_read() -> None:
    found = read_system(Path("/"))
    assert found.disk is not None and found.load is not None
