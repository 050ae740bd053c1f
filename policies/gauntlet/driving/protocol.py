"""Sets the protocol of driving: every number that a trial depends on, with its unit and source."""

from dataclasses import dataclass

from edge_runtime.config.fields import LONGEST, Range, setting
from policies.gauntlet.trial_env import GauntletNumbers

_PERIOD = 0.04  # s; no action can come later than the next one, a control period after it


@dataclass(frozen=True)
class DrivingGauntlet(GauntletNumbers):
    """Sets the gauntlet of a car: what each number is, and why it has its value."""

    lap_seconds: float = setting(60.0, unit="s", at_least=1, at_most=LONGEST)
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
    gust_seconds: float = setting(3.0, unit="s", at_least=0.1, at_most=LONGEST)
    """Period of the gusts, which double the wind."""
    payload: Range = setting((0.0, 30.0), unit="kg", at_least=0)
    """Load, a fifth above what it was trained with."""
    action_delay: Range = setting((0.0, 0.02), unit="s", at_least=0, at_most=_PERIOD)
    """Delay, as trained with: a bus and a driver."""
    dropout_interval: Range = setting((3.0, 8.0), unit="s", at_least=0.1, at_most=LONGEST)
    """Time between two dropouts of a sensor."""
    lidar_lost: Range = setting((0.08, 0.2), unit="s", at_least=0, at_most=LONGEST)
    """Time for which the last scan stays: 2 to 5 lost frames."""
    imu_frozen: Range = setting((0.08, 0.3), unit="s", at_least=0, at_most=LONGEST)
    """Time for which the last IMU reading stays."""
    blown_sector: Range = setting((0.0, 0.35), unit="rad", at_least=0)
    """Sector of the lidar that no longer gives an echo."""
    beam_dropout: float = setting(0.002, unit="1", at_least=0, at_most=1)
    """Chance of a beam to have no echo, as trained with."""
