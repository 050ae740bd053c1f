"""Sets the protocol of walking: every number that a trial depends on, with its unit and source.

It follows the cross-engine protocol that compared open humanoid policies in 2026: released from a
crane, a tour of 12 waypoints in 60 s, pushed once in each segment.
"""

from dataclasses import dataclass

from edge_runtime.config.fields import LONGEST, Range, setting
from edge_runtime.errors import UserError
from policies.gauntlet.trial_env import GauntletNumbers

_PROTOCOL = "as in the cross-engine protocol of 2026"
_PERIOD = 0.02  # s; no action can come later than the next one, a control period after it


@dataclass(frozen=True)
class WalkingGauntlet(GauntletNumbers):
    """Sets the gauntlet of a humanoid: what each number is, and why it has its value."""

    physics_period: float = setting(0.002, f"Physics period, {_PROTOCOL}.", "s", at_least=1e-4)
    crane_seconds: float = setting(
        2.0, f"Time on the crane, {_PROTOCOL}.", "s", at_least=0, at_most=LONGEST
    )
    crane_frequency: float = setting(1.0, unit="Hz", at_least=0)
    """Frequency of the robot on its spring, as on a gantry's rope."""
    crane_damping: float = setting(0.7, unit="1", at_least=0)
    """Share of critical damping on the crane: the robot does not swing."""
    waypoints: int = setting(12, f"Waypoints, {_PROTOCOL}.", "1", at_least=1, at_most=200)
    tour_seconds: float = setting(
        60.0, f"Time for the tour, {_PROTOCOL}.", "s", at_least=1, at_most=LONGEST
    )
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
    push_seconds: float = setting(
        0.08, f"Length of a push, {_PROTOCOL}.", "s", at_least=0.02, at_most=LONGEST
    )
    push_force: Range = setting((0.0, 600.0), unit="N", at_least=0)
    """Force of a push, as in the cross-engine protocol of 2026, on a robot of `push_mass`."""
    push_mass: float = setting(35.0, unit="kg", at_least=1)
    """Mass, as in the cross-engine protocol of 2026; another one is pushed in proportion."""
    push_moment: Range = setting((0.2, 0.7), unit="1", at_least=0, at_most=0.95)
    """Share of a segment walked when the push comes."""
    recovery: float = setting(2.0, unit="s", at_least=0, at_most=LONGEST)
    """Time after a push in which a fall is put down to it."""
    payload: Range = setting((0.0, 5.0), unit="kg", at_least=0)
    """Load on the torso: a battery, a parcel."""
    hand_mass: Range = setting((0.0, 1.5), unit="kg", at_least=0)
    """Load in one hand, in half of the trials."""
    arm_offset: float = setting(0.3, unit="rad", at_least=0)
    """Offset of each arm joint's target, in the other half."""
    friction: Range = setting((0.4, 1.2), f"Friction, {_PROTOCOL}.", "1", at_least=0)
    action_delay: Range = setting((0.0, 0.02), unit="s", at_least=0, at_most=_PERIOD)
    """Delay, as trained with: a bus and a driver."""
    slope: float = setting(5.0, unit="deg", at_least=0, at_most=45)
    """Steepest slope, as in the cross-engine protocol of 2026; a third of the trials has some."""
    step: float = setting(0.02, unit="m", at_least=0)
    """Highest step, as in the cross-engine protocol of 2026; a third of the trials has some."""
    ground_levels: int = setting(5, unit="1", at_least=1, at_most=20)
    """Levels of steepness and height, up to those."""

    def check(self, where: str) -> None:
        if self.distance[0] <= 2.0 * self.reach:
            raise UserError(
                f"{where}distance begins at {self.distance[0]:g} m, where waypoints are reached "
                f"two at a time; take more than twice the reach, {self.reach:g} m"
            )
        steps = _PERIOD / self.physics_period
        if steps < 1.0 or abs(steps - round(steps)) > 1e-6:
            raise UserError(
                f"{where}physics_period = {self.physics_period:g} s does not divide the control "
                f"period, {_PERIOD:g} s; take 0.001, 0.002, 0.004 or 0.005"
            )
