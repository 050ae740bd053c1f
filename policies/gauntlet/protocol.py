"""The gauntlet's protocol: every number that a trial depends on, with its unit and source.

The humanoid's follows the cross-engine protocol that compared open humanoid policies in 2026:
released from a crane, a tour of 12 waypoints in 60 s, pushed once in each segment.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_runtime.config.document import from_json, read_document
from edge_runtime.config.fields import Range, check, setting
from edge_runtime.errors import UserError

GAUNTLET, FAULTS = "gauntlet", "faults"
_PROTOCOL = "as in the cross-engine protocol of 2026"
_TRAINED = "as trained with"
# No action can come later than the next one, a control period after it.
_WALKING_PERIOD, _DRIVING_PERIOD = 0.02, 0.04  # s
_ROAD = "Wong, Theory of Ground Vehicles: wet asphalt has 0.6 to 0.8 of the dry grip"


def _quantity(
    default: Any, unit: str, sentence: str, at_least: float = 0.0, at_most: float = math.inf
) -> Any:
    return setting(default, sentence, unit, at_least=at_least, at_most=at_most)


@dataclass(frozen=True)
class WalkingGauntlet:
    """The gauntlet of a humanoid: what each number is, and why it has its value."""

    physics_period: float = _quantity(0.002, "s", f"Physics period, {_PROTOCOL}.", 1e-4)
    crane_seconds: float = _quantity(2.0, "s", f"Time on the crane, {_PROTOCOL}.")
    crane_frequency: float = _quantity(
        1.0, "Hz", "Frequency of the robot on its spring, as on a gantry's rope."
    )
    crane_damping: float = _quantity(
        0.7, "1", "Share of critical damping on the crane: the robot does not swing."
    )
    waypoints: int = _quantity(12, "1", f"Waypoints, {_PROTOCOL}.", 1, 200)
    tour_seconds: float = _quantity(60.0, "s", f"Time for the tour, {_PROTOCOL}.", 1)
    slack: float = _quantity(0.25, "1", "Share of the tour's time that recovering may take.")
    distance: Range = _quantity(
        (1.2, 2.2), "m", "Distance between waypoints: 41 s of walking at 0.5 m/s."
    )
    turn: Range = _quantity(
        (-1.5, 1.5), "rad", "Turn between segments: up to a street corner.", -3.2, 3.2
    )
    reach: float = _quantity(
        0.4, "m", "Distance at which a waypoint is reached: half a step beside it.", 0.05
    )
    cruise: float = _quantity(0.6, "m/s", "Speed that the operator asks for on the straight.", 0.1)
    turning: float = _quantity(0.5, "rad/s", "Turn rate that the operator asks for at most.", 0.1)
    push_seconds: float = _quantity(0.08, "s", f"Length of a push, {_PROTOCOL}.", 0.02)
    push_force: Range = _quantity(
        (0.0, 600.0), "N", f"Force of a push, {_PROTOCOL}, on a robot of `push_mass`."
    )
    push_mass: float = _quantity(
        35.0, "kg", f"Mass, {_PROTOCOL}; another one is pushed in proportion.", 1
    )
    push_moment: Range = _quantity(
        (0.2, 0.7), "1", "Share of a segment walked when the push comes.", 0, 0.95
    )
    recovery: float = _quantity(2.0, "s", "Time after a push in which a fall is put down to it.")
    payload: Range = _quantity((0.0, 5.0), "kg", "Load on the torso: a battery, a parcel.")
    hand_mass: Range = _quantity((0.0, 1.5), "kg", "Load in one hand, in half of the trials.")
    arm_offset: float = _quantity(
        0.3, "rad", "Offset of each arm joint's target, in the other half."
    )
    friction: Range = _quantity((0.4, 1.2), "1", f"Friction, {_PROTOCOL}.")
    action_delay: Range = _quantity(
        (0.0, 0.02), "s", f"Delay, {_TRAINED}: a bus and a driver.", 0, _WALKING_PERIOD
    )
    slope: float = _quantity(
        5.0, "deg", f"Steepest slope, {_PROTOCOL}; a third of the trials has some.", 0, 45
    )
    step: float = _quantity(
        0.02, "m", f"Highest step, {_PROTOCOL}; a third of the trials has some."
    )
    ground_levels: int = _quantity(5, "1", "Levels of steepness and height, up to those.", 1, 20)


@dataclass(frozen=True)
class DrivingGauntlet:
    """The gauntlet of a car: what each number is, and why it has its value."""

    lap_seconds: float = _quantity(
        60.0, "s", "Time for a lap of 250 m at 4.2 m/s, half of what it drives.", 1
    )
    friction: Range = _quantity((0.85, 1.1), "1", f"Friction, {_TRAINED}: dry asphalt.")
    wet_patches: int = _quantity(
        3, "1", "Wet patches of a lap, which has shade, drains and puddles.", 0, 100
    )
    wet_length: Range = _quantity(
        (3.0, 12.0), "m", "Length of a patch along the centre line: up to a corner's."
    )
    wet_grip: Range = _quantity((0.6, 0.8), "1", f"Share of the dry friction; {_ROAD}.", 0, 1)
    wind_force: Range = _quantity(
        (0.0, 60.0), "N", "Sideways wind: up to 9 m/s at 1.2 m² of drag area."
    )
    gust_seconds: float = _quantity(3.0, "s", "Period of the gusts, which double the wind.", 0.1)
    payload: Range = _quantity((0.0, 30.0), "kg", "Load, a fifth above what it was trained with.")
    action_delay: Range = _quantity(
        (0.0, 0.02), "s", f"Delay, {_TRAINED}: a bus and a driver.", 0, _DRIVING_PERIOD
    )
    dropout_interval: Range = _quantity(
        (3.0, 8.0), "s", "Time between two dropouts of a sensor.", 0.1
    )
    lidar_lost: Range = _quantity(
        (0.08, 0.2), "s", "Time for which the last scan stays: 2 to 5 lost frames."
    )
    imu_frozen: Range = _quantity((0.08, 0.3), "s", "Time for which the last IMU reading stays.")
    blown_sector: Range = _quantity(
        (0.0, 0.35), "rad", "Sector of the lidar that gives no echo any more."
    )
    beam_dropout: float = _quantity(
        0.002, "1", f"Chance of a beam to have no echo, {_TRAINED}.", 0, 1
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
        before = getattr(protocol, key)
        changed = from_json(type(before), table, f"{path}: {key}", before)
        check(changed, f"{path}: {key}.")
        protocol = replace(protocol, **{key: changed})
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
