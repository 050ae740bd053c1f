from dataclasses import fields
from pathlib import Path

import pytest

from edge_runtime.config.fields import described, settings_of
from edge_runtime.errors import UserError
from policies.gauntlet.driving.protocol import DrivingGauntlet
from policies.gauntlet.protocol import GauntletProtocol, find_protocol
from policies.gauntlet.walking.protocol import WalkingGauntlet


def read(folder: Path, text: str) -> GauntletProtocol:
    path = folder / "suite.toml"
    path.write_text(text)
    return find_protocol(str(path))


@pytest.mark.parametrize("kind", [WalkingGauntlet, DrivingGauntlet])
def test_every_number_has_a_unit_and_a_source(kind: type) -> None:
    for field in fields(kind):
        assert settings_of(kind)[field.name].unit and len(described(kind, field)) > 15, field.name


def test_a_suite_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    protocol = read(
        tmp_path,
        'suite = "gauntlet"\n[walking]\npush_force = { value = [0, 300], unit = "N" }\n'
        "waypoints = 3\ncruise = 1\n[driving]\nwet_patches = 0\n",
    )
    walking, driving = protocol.numbers("walking"), protocol.numbers("driving")
    assert isinstance(walking, WalkingGauntlet) and isinstance(driving, DrivingGauntlet)
    assert walking.push_force == (0.0, 300.0)
    assert walking.waypoints == 3 and isinstance(walking.waypoints, int)
    assert walking.cruise == 1.0 and isinstance(walking.cruise, float)
    assert driving.wet_patches == 0
    assert walking.friction == WalkingGauntlet().friction
    assert protocol.source.endswith("suite.toml") and protocol.suite == "gauntlet"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must say which suite"),
        ('suite = "other"', "must say which suite"),
        ('suite = "gauntlet"\n[wlking]\ncruise = 1', "unknown key 'wlking'"),
        ('suite = "gauntlet"\ncruise = 1', "unknown key 'cruise'"),
        ('suite = "gauntlet"\n[walking]\npush = 1', "unknown key 'push'; did you mean 'push_"),
        (
            'suite = "gauntlet"\n[walking]\npush_force = { value = [0, 1], unit = "kN" }',
            "walking.push_force is in 'kN', but is measured in 'N'",
        ),
        ('suite = "gauntlet"\n[walking]\npush_force = { value = [0, 1] }', "unit = "),
        (
            'suite = "gauntlet"\n[walking]\npush_force = 300',
            r"300 is not a range \[low, high\] in N",
        ),
        ('suite = "gauntlet"\n[walking]\npush_force = [300, 0]', "put the lower first"),
        (
            'suite = "gauntlet"\n[walking]\npush_force = [-1, 0]',
            "push_force is -1 N; it must not be negative",
        ),
        ('suite = "gauntlet"\n[walking]\ncruise = "fast"', "'fast' is not a number in m/s"),
        ('suite = "gauntlet"\n[walking]\ncruise = nan', "cruise must be a number"),
        ('suite = "gauntlet"\n[walking]\ncruise = true', "True is not a number in m/s"),
        ('suite = "gauntlet"\n[walking]\nwaypoints = 2.5', "whole number"),
        (
            'suite = "gauntlet"\n[walking]\nwaypoints = 0',
            "waypoints is 0; it must be from 1 to 200",
        ),
        ('suite = "gauntlet"\n[walking]\nreach = 0.7', "two at a time"),
        (
            'suite = "gauntlet"\n[walking]\npush_moment = [0.2, 2]',
            "is 2; it must be from 0 to 0.95",
        ),
        (
            'suite = "gauntlet"\n[walking]\naction_delay = [0, 0.1]',
            "is 0.1 s; it must be from 0 to 0.02 s",
        ),
        (
            'suite = "gauntlet"\n[driving]\naction_delay = [0, 0.1]',
            "is 0.1 s; it must be from 0 to 0.04 s",
        ),
        ('suite = "gauntlet"\n[driving]\nwet_grip = [0.6, 60]', "is 60; it must be from 0 to 1"),
        ('suite = "gauntlet"\n[walking]\nslope = 60', "is 60 deg; it must be from 0 to 45 deg"),
        ('suite = "gauntlet"\n[walking]\nground_levels = 1e8', "it must be from 1 to 20"),
        ('suite = "gauntlet"\n[walking]\nphysics_period = 0.003', "does not divide .* 0.02 s"),
        ('suite = "gauntlet"\n[walking]\nphysics_period = 0.1', "does not divide .* 0.02 s"),
        ("suite = gauntlet", "cannot be read"),
    ],
)
def test_a_bad_suite_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_a_suite_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="unknown suite 'gantlet'; there are gauntlet and faults"):
        find_protocol("gantlet")
    with pytest.raises(UserError, match="cannot read suite missing.toml"):
        find_protocol("missing.toml")
