"""The gauntlet's protocol: every number that a trial depends on, with its unit and source.

The humanoid's follows the cross-engine protocol that compared open humanoid policies in 2026:
released from a crane, a tour of 12 waypoints in 60 s, pushed once in each segment.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.config.document import read_document
from edge_runtime.config.quantity import Range, changed, quantity
from edge_runtime.errors import UserError

GAUNTLET, FAULTS = "gauntlet", "faults"
_PROTOCOL = "the cross-engine protocol of 2026"
_TRAINED = "as trained with"
# No action can come later than the next one, a control period after it.
_WALKING_PERIOD, _DRIVING_PERIOD = 0.02, 0.04  # s
_ROAD = "Wong, Theory of Ground Vehicles: wet asphalt has 0.6 to 0.8 of the dry grip"


@dataclass(frozen=True)
class WalkingGauntlet:
    """Of a humanoid."""

    physics_period: float = quantity(0.002, "s", _PROTOCOL, at_least=1e-4)
    crane_seconds: float = quantity(2.0, "s", _PROTOCOL)
    crane_frequency: float = quantity(1.0, "Hz", "of the robot on its spring, as a gantry's rope")
    crane_damping: float = quantity(0.7, "1", "of critical: it does not swing")
    waypoints: int = quantity(12, "1", _PROTOCOL, at_least=1, at_most=200)
    tour_seconds: float = quantity(60.0, "s", _PROTOCOL, at_least=1.0)
    slack: float = quantity(0.25, "1", "share of the tour's time that recovering may take")
    distance: Range = quantity((1.2, 2.2), "m", "between waypoints; 41 s of walking at 0.5 m/s")
    turn: Range = quantity((-1.5, 1.5), "rad", "between segments: up to a street corner", -3.2, 3.2)
    reach: float = quantity(0.4, "m", "of a waypoint: half a step beside it", at_least=0.05)
    cruise: float = quantity(0.6, "m/s", "what the operator asks for on the straight", 0.1)
    turning: float = quantity(0.5, "rad/s", "what the operator asks for at most", 0.1)
    push_seconds: float = quantity(0.08, "s", _PROTOCOL, at_least=0.02)
    push_force: Range = quantity((0.0, 600.0), "N", f"{_PROTOCOL}, for a robot of `push_mass`")
    push_mass: float = quantity(35.0, "kg", f"{_PROTOCOL}; another mass is pushed in proportion", 1)
    push_moment: Range = quantity((0.2, 0.7), "1", "share of a segment walked by then", 0.0, 0.95)
    recovery: float = quantity(2.0, "s", "after a push in which a fall is put down to it")
    payload: Range = quantity((0.0, 5.0), "kg", "on the torso: a battery, a parcel")
    hand_mass: Range = quantity((0.0, 1.5), "kg", "in one hand, in half of the trials")
    arm_offset: float = quantity(0.3, "rad", "of each arm joint's target, in the other half")
    friction: Range = quantity((0.4, 1.2), "1", _PROTOCOL)
    action_delay: Range = quantity(
        (0.0, 0.02), "s", f"{_TRAINED}: a bus and a driver", at_most=_WALKING_PERIOD
    )
    slope: float = quantity(5.0, "deg", f"{_PROTOCOL}, the steepest; a third has some", at_most=45)
    step: float = quantity(0.02, "m", f"{_PROTOCOL}, the highest; a third has some")
    ground_levels: int = quantity(5, "1", "of steepness and height, up to those", 1, 20)


@dataclass(frozen=True)
class DrivingGauntlet:
    """Of a car."""

    lap_seconds: float = quantity(60.0, "s", "for 250 m at 4.2 m/s, half of what it drives", 1.0)
    friction: Range = quantity((0.85, 1.1), "1", f"{_TRAINED}: dry asphalt")
    wet_patches: int = quantity(3, "1", "a lap has shade, drains and puddles", at_most=100)
    wet_length: Range = quantity((3.0, 12.0), "m", "along the centre line: up to a corner's length")
    wet_grip: Range = quantity((0.6, 0.8), "1", f"share of the dry friction; {_ROAD}", at_most=1)
    wind_force: Range = quantity((0.0, 60.0), "N", "sideways, at 1.2 m² drag area up to 9 m/s")
    gust_seconds: float = quantity(3.0, "s", "period of the gusts, which double the wind", 0.1)
    payload: Range = quantity((0.0, 30.0), "kg", "a fifth above what it was trained with")
    action_delay: Range = quantity(
        (0.0, 0.02), "s", f"{_TRAINED}: a bus and a driver", at_most=_DRIVING_PERIOD
    )
    dropout_interval: Range = quantity((3.0, 8.0), "s", "between two dropouts of a sensor", 0.1)
    lidar_lost: Range = quantity((0.08, 0.2), "s", "the last scan stays: 2 to 5 lost frames")
    imu_frozen: Range = quantity((0.08, 0.3), "s", "the last reading stays")
    blown_sector: Range = quantity((0.0, 0.35), "rad", "of the lidar that gives no echo any more")
    beam_dropout: float = quantity(
        0.002, "1", f"{_TRAINED}: chance of a beam to have no echo", at_most=1
    )


@dataclass(frozen=True)
class Protocol:
    """Both robots' gauntlets, and where they were read."""

    walking: WalkingGauntlet = WalkingGauntlet()
    driving: DrivingGauntlet = DrivingGauntlet()
    suite: str = GAUNTLET
    source: str = ""


def find_protocol(suite: str) -> Protocol:
    """The published protocol of that name, or what a suite file makes of it.

        suite = "gauntlet"
        [walking]
        push_force = { value = [0, 300], unit = "N" }

    Raises:
        UserError: there is no such suite, or the file has a key or unit that is unknown.
    """
    if suite in (GAUNTLET, FAULTS):
        return Protocol(suite=suite)
    path = Path(suite)
    if path.suffix not in (".toml", ".json"):
        raise UserError(
            f"unknown suite '{suite}'; there are {GAUNTLET} and {FAULTS}, or name a .toml file"
        )
    document = read_document(path, "suite")
    if not isinstance(document, dict) or document.get("suite") != GAUNTLET:
        raise UserError(f'{path} must say which suite it changes: suite = "{GAUNTLET}"')
    protocol = Protocol(source=str(path))
    for key, table in document.items():
        if key == "suite":
            continue
        if key not in ("walking", "driving") or not isinstance(table, dict):
            raise UserError(
                f"{path}: unknown key '{key}'; there are tables [walking] and [driving]"
            )
        changes = changed(getattr(protocol, key), table, f"{path}: {key}")
        protocol = replace(protocol, **{key: changes})
    walking = protocol.walking
    if walking.distance[0] <= 2.0 * walking.reach:
        raise UserError(
            f"{path}: walking.distance begins at {walking.distance[0]:g} m, where waypoints are "
            f"reached two at a time; take more than twice the reach, {walking.reach:g} m"
        )
    steps = _WALKING_PERIOD / walking.physics_period
    if steps < 1.0 or abs(steps - round(steps)) > 1e-6:
        raise UserError(
            f"{path}: walking.physics_period = {walking.physics_period:g} s does not divide the "
            f"control period, {_WALKING_PERIOD:g} s; take 0.001, 0.002, 0.004 or 0.005"
        )
    return protocol
