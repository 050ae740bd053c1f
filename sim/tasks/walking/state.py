"""Holds what the reward terms of walking read."""

from dataclasses import dataclass, field

from edge_runtime.signals import Array, Bool, Float
from sim.tasks.reward_terms import Namespace


@dataclass(frozen=True)
class WalkingRobot:
    """Holds what does not change of a robot with A actuated joints; the rewards measure by it."""

    weight: float  # N
    nominal_height: float  # m of the IMU above the ground while walking
    feet_apart: float  # m to the side that the feet of a pair keep
    touch_force: float  # N, above which a foot touches the ground
    per_foot: Float  # (F,), 1/F: the share of each foot in a mean over the feet
    posture_weight: Float  # (A,), how much each joint should keep its rest, before squaring
    per_effort: Float  # (A,) 1/Nm, of each joint's largest torque
    per_velocity: Float  # (A,) s/rad, of each joint's largest speed
    middle: Float  # (A,) rad, of each joint's range
    soft_reach: Float  # (A,) rad to either side of it, 5 % of the range before its ends


@dataclass
class WalkingState:
    """Holds N robots with F feet and A actuated joints at the end of a control step.

    Velocities are in the heading frame: x forward on the ground, y left, z up. The arrays may be
    of any library; `xp` has its functions.
    """

    xp: Namespace
    robot: WalkingRobot
    # The sensors' readings, always in the same arrays.
    joint_pos: Float  # (N, A) rad
    joint_vel: Float  # (N, A) rad/s
    joint_torque: Float  # (N, A) Nm
    foot_force: Float  # (N, F) N, of contact
    foot_position: Float  # (N, F, 3) m, of the soles in the world
    foot_velocity: Float  # (N, F, 3) m/s, of the soles in the world
    foot_up: Float  # (N, F), z component of the soles' own z axis: 1 where they are level
    # What the policy does.
    action: Array  # (N, A)
    change: Array  # (N, A), of the action in the last step
    previous_change: Array  # (N, A), in the step before
    # What the last step found.
    error: Float  # (N, 3) m/s and rad/s, forward, left, yaw: what it does less what was asked
    drift: Float  # (N, 3) m/s and rad/s, the mean of `error` over the last stride
    recovers: Bool  # (N,), its balance, so that the gait clock may wait
    # What follows from those.
    contact: Bool = field(init=False)  # (N, F), which feet touch the ground
    velocity: Float = field(init=False)  # (N, 3) m/s, of the IMU
    angular_velocity: Float = field(init=False)  # (N, 3) rad/s, in the world
    gravity: Float = field(init=False)  # (N, 3), its direction in the body
    height: Float = field(init=False)  # (N,) m, of the IMU above the ground
    foot_height: Float = field(init=False)  # (N, F) m, of the soles above the ground
    foot_spread: Float = field(init=False)  # (N, pairs) m to the side between the feet of a pair
    moving: Bool = field(init=False)  # (N,), whether it should step rather than stand
    is_swing: Bool = field(init=False)  # (N, F), which feet the gait clock wants in the air
    swing_target: Float = field(init=False)  # (N, F) m, height that it wants the soles at
    posture_error: Float = field(init=False)  # (N, A) rad, from where joints rest in this gait

    @property
    def yaw_rate(self) -> Float:
        """Returns the angular velocity about the vertical, (N,) rad/s."""
        return self.angular_velocity[:, 2]
