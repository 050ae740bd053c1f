"""Sets the gauntlet's protocol: every number that a trial depends on, with its unit and source.

The humanoid's follows the cross-engine protocol that compared open humanoid policies in 2026:
released from a crane, a tour of 12 waypoints in 60 s, pushed once in each segment.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.config.config_file import from_json, read_table
from edge_runtime.config.fields import Range, setting
from edge_runtime.errors import UserError

GAUNTLET, FAULTS = "gauntlet", "faults"
_PROTOCOL = "as in the cross-engine protocol of 2026"
# No action can come later than the next one, a control period after it.
_WALKING_PERIOD, _DRIVING_PERIOD = 0.02, 0.04  # s


@dataclass(frozen=True)
class WalkingGauntlet:
    """Sets the gauntlet of a humanoid: what each number is, and why it has its value."""

    physics_period: float = setting(0.002, f"Physics period, {_PROTOCOL}.", "s", at_least=1e-4)
    crane_seconds: float = setting(2.0, f"Time on the crane, {_PROTOCOL}.", "s", at_least=0)
    crane_frequency: float = setting(1.0, unit="Hz", at_least=0)
    """Frequency of the robot on its spring, as on a gantry's rope."""
    crane_damping: float = setting(0.7, unit="1", at_least=0)
    """Share of critical damping on the crane: the robot does not swing."""
    waypoints: int = setting(12, f"Waypoints, {_PROTOCOL}.", "1", at_least=1, at_most=200)
    tour_seconds: float = setting(60.0, f"Time for the tour, {_PROTOCOL}.", "s", at_least=1)
    slack: float = setting(0.25, unit="1", at_least=0)
    """Share of the tour's time that recovering may take."""
    distance: Range = setting((1.2, 2.2), unit="m", at_least=0)
    """Distance between waypoints: 41 s of walking at 0.5 m/s."""
    turn: Range = setting((-1.5, 1.5), unit="rad", at_least=-3.2, at_most=3.2)
    """Turn between segments: up to a street corner."""
    reach: float = setting(0.4, unit="m", at_least=0.05)
    """Distance at which a waypoint is reached: half a step beside it."""
    cruise: float = setting(0.6, unit="m/s", at_least=0.1)
    """Speed that the operator asks for on the straight."""
    turning: float = setting(0.5, unit="rad/s", at_least=0.1)
    """Turn rate that the operator asks for at most."""
    push_seconds: float = setting(0.08, f"Length of a push, {_PROTOCOL}.", "s", at_least=0.02)
    push_force: Range = setting((0.0, 600.0), unit="N", at_least=0)
    """Force of a push, as in the cross-engine protocol of 2026, on a robot of `push_mass`."""
    push_mass: float = setting(35.0, unit="kg", at_least=1)
    """Mass, as in the cross-engine protocol of 2026; another one is pushed in proportion."""
    push_moment: Range = setting((0.2, 0.7), unit="1", at_least=0, at_most=0.95)
    """Share of a segment walked when the push comes."""
    recovery: float = setting(2.0, unit="s", at_least=0)
    """Time after a push in which a fall is put down to it."""
    payload: Range = setting((0.0, 5.0), unit="kg", at_least=0)
    """Load on the torso: a battery, a parcel."""
    hand_mass: Range = setting((0.0, 1.5), unit="kg", at_least=0)
    """Load in one hand, in half of the trials."""
    arm_offset: float = setting(0.3, unit="rad", at_least=0)
    """Offset of each arm joint's target, in the other half."""
    friction: Range = setting((0.4, 1.2), f"Friction, {_PROTOCOL}.", "1", at_least=0)
    action_delay: Range = setting((0.0, 0.02), unit="s", at_least=0, at_most=_WALKING_PERIOD)
    """Delay, as trained with: a bus and a driver."""
    slope: float = setting(5.0, unit="deg", at_least=0, at_most=45)
    """Steepest slope, as in the cross-engine protocol of 2026; a third of the trials has some."""
    step: float = setting(0.02, unit="m", at_least=0)
    """Highest step, as in the cross-engine protocol of 2026; a third of the trials has some."""
    ground_levels: int = setting(5, unit="1", at_least=1, at_most=20)
    """Levels of steepness and height, up to those."""


@dataclass(frozen=True)
class DrivingGauntlet:
    """Sets the gauntlet of a car: what each number is, and why it has its value."""

    lap_seconds: float = setting(60.0, unit="s", at_least=1)
    """Time for a lap of 250 m at 4.2 m/s, half of what it drives."""
    friction: Range = setting(
        (0.85, 1.1), "Friction, as trained with: dry asphalt.", "1", at_least=0
    )
    wet_patches: int = setting(3, unit="1", at_least=0, at_most=100)
    """Wet patches of a lap, which has shade, drains and puddles."""
    wet_length: Range = setting((3.0, 12.0), unit="m", at_least=0)
    """Length of a patch along the centre line: up to a corner's."""
    wet_grip: Range = setting((0.6, 0.8), unit="1", at_least=0, at_most=1)
    """Share of the dry friction; Wong, Theory of Ground Vehicles: wet asphalt has 0.6 to 0.8 of the
    dry grip."""
    wind_force: Range = setting((0.0, 60.0), unit="N", at_least=0)
    """Sideways wind: up to 9 m/s at 1.2 m² of drag area."""
    gust_seconds: float = setting(3.0, unit="s", at_least=0.1)
    """Period of the gusts, which double the wind."""
    payload: Range = setting((0.0, 30.0), unit="kg", at_least=0)
    """Load, a fifth above what it was trained with."""
    action_delay: Range = setting((0.0, 0.02), unit="s", at_least=0, at_most=_DRIVING_PERIOD)
    """Delay, as trained with: a bus and a driver."""
    dropout_interval: Range = setting((3.0, 8.0), unit="s", at_least=0.1)
    """Time between two dropouts of a sensor."""
    lidar_lost: Range = setting((0.08, 0.2), unit="s", at_least=0)
    """Time for which the last scan stays: 2 to 5 lost frames."""
    imu_frozen: Range = setting((0.08, 0.3), unit="s", at_least=0)
    """Time for which the last IMU reading stays."""
    blown_sector: Range = setting((0.0, 0.35), unit="rad", at_least=0)
    """Sector of the lidar that no longer gives an echo."""
    beam_dropout: float = setting(0.002, unit="1", at_least=0, at_most=1)
    """Chance of a beam to have no echo, as trained with."""


@dataclass(frozen=True)
class GauntletProtocol:
    """Holds both robots' gauntlets, and where they were read."""

    walking: WalkingGauntlet = WalkingGauntlet()
    driving: DrivingGauntlet = DrivingGauntlet()
    suite: str = GAUNTLET
    source: str = ""


def find_protocol(suite: str) -> GauntletProtocol:
    """Returns the published protocol of that name, or what a suite file makes of it.

        suite = "gauntlet"
        [walking]
        push_force = { value = [0, 300], unit = "N" }

    Raises:
        UserError: there is no such suite, or the file has a key or unit that is unknown.
    """
    if suite in (GAUNTLET, FAULTS):
        return GauntletProtocol(suite=suite)
    path = Path(suite)
    if path.suffix not in (".toml", ".json"):
        raise UserError(
            f"unknown suite '{suite}'; there are {GAUNTLET} and {FAULTS}, or name a .toml file"
        )
    document = read_table(path, "suite")
    if document.get("suite") != GAUNTLET:
        raise UserError(f'{path} must say which suite it changes: suite = "{GAUNTLET}"')
    protocol = GauntletProtocol(source=str(path))
    for key, table in document.items():
        if key == "suite":
            continue
        if key not in ("walking", "driving") or not isinstance(table, dict):
            raise UserError(
                f"{path}: unknown key '{key}'; there are tables [walking] and [driving]"
            )
        before = getattr(protocol, key)
        changed = from_json(type(before), table, f"{path}: {key}", before)
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
