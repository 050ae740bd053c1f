"""What the legged filter must know of a robot beforehand; plain JSON, without the filter."""

from dataclasses import dataclass

from edge_runtime.fusion.plausibility import ImuCheckConfig

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class LegJoint:
    """A hinge of a leg, at zero joint angles."""

    name: str
    offset: Vector  # m, from the joint before, or the IMU, to this one
    axis: Vector  # of unit length; a positive angle turns what follows about it


@dataclass(frozen=True)
class LegChain:
    """From the IMU to the points of one foot that stand on the ground, at zero joint angles."""

    name: str
    joints: tuple[LegJoint, ...]
    points: tuple[Vector, ...]  # m, each from the last joint


@dataclass(frozen=True)
class LeggedConfig:
    """What is known of the robot and its sensors beforehand."""

    feet: int = 2
    """F: points that may stand on the ground, the points of a sole one after another."""
    points: int = 1
    """Points of a sole: 1, or 2 (heel and toe) for a flat foot, which shows how the body turns
    about the vertical even on one leg."""
    # IMU. The defaults are a good MEMS sensor on a body that vibrates.
    gyro_noise: float = 2e-4
    """rad/s/sqrt(Hz); data sheets say 0.5e-4 to 2e-4."""
    accel_noise: float = 3e-3
    """m/s^2/sqrt(Hz); data sheets say 0.5e-3 to 3e-3."""
    gyro_walk: float = 1e-5
    """rad/s/sqrt(s), of the bias."""
    accel_walk: float = 1e-4
    """m/s^2/sqrt(s), of the bias."""
    gyro_bias_std: float = 0.01
    """rad/s at the start."""
    accel_bias_std: float = 0.05
    """m/s^2 at the start. What it is in the horizontal cannot be told from tilt while the robot
    does not turn: 0.05 m/s^2 stay 0.3 degrees."""
    # Feet.
    foot_noise: float = 0.005
    """m, of each coordinate of a foot by kinematics: encoder noise times the leg's length."""
    foot_walk: float = 0.007
    """m/sqrt(s) by which a standing foot wanders: its sole rolls and gives. 5 mm in a stance."""
    point_noise: float = 0.0015
    """m, of each point of a sole besides: encoder noise times half the distance of heel and toe."""
    point_walk: float = 0.003
    """m/sqrt(s), likewise: the sole turns on the ground."""
    slip_turn: float = 0.001
    """rad/s by which the feet may turn on the ground all the time, in the same sense with every
    step: what they tell of the gyroscope's bias about the vertical is believed no further. Flat
    soles do 0.01 and more."""
    rest_ratio: float = 1.5
    """Of the variance of gyroscope and accelerometer over half a second to that of their noise, up
    to which the body rests, so that the gyroscope reads its bias. 0 for never."""
    contact_on: float = 0.9
    """Probability of contact from which a foot stands, and"""
    contact_off: float = 0.5
    """below which it has lifted off. In between it counts for less: its walk is divided by it."""
    # Slip and contradiction.
    outlier_gate: float = 30.0
    """Squared Mahalanobis distance of a reading that is not believed; chance has it once in
    700,000 (chi-squared of three degrees)."""
    slip_time: float = 0.02
    """s over which the innovations of a foot are averaged: a slip is small in each of them."""
    slip_gate: float = 30.0
    """The same of that average, from which a foot slips."""
    slip_walk: float = 0.3
    """m/sqrt(s) by which a slipping foot wanders: it then says nothing of the velocity."""
    slip_window: float = 0.1
    """s after which a slipping foot is tested for having come to rest:"""
    slip_speed: float = 0.1
    """m/s below which it has."""
    patience: float = 0.01
    """s for which a foot's readings are refused before it is placed anew."""
    all_slip_time: float = 0.5
    """s for which every foot slips before it is rather the velocity that is thought wrong. For so
    long the IMU alone holds it to some cm/s."""
    # Start, and what is good enough.
    tilt_std: float = 0.2
    """rad: an accelerometer's first word while the robot moves."""
    velocity_std: float = 0.6
    """m/s: the robot may walk already."""
    good_tilt: float = 0.03
    """rad of standard deviation, up to which health is good, and"""
    good_velocity: float = 0.1
    """m/s."""
    lost_tilt: float = 0.3
    """rad of standard deviation, from which the state is lost, or"""
    lost_velocity: float = 1.0
    """m/s."""
    airborne: float = 0.5
    """s without a standing foot after which health is degraded."""
    longest_gap: float = 0.25
    """s without the IMU after which the state is lost until the feet tell it anew."""
    imu: ImuCheckConfig = ImuCheckConfig()
    # Late measurements.
    history: int = 64
    """Events kept, so that a late one finds its place: 64 are 16 ms of IMU and feet at 2 kHz, 160
    ms at 200 Hz."""
    horizon: float = 0.25
    """s by which one may be late at most."""


@dataclass(frozen=True)
class ForceConfig:
    """From one witness's force under a foot to the probability that it stands."""

    force: float
    """N at which a foot stands as probably as not."""
    width: float
    """N from there to a probability of 0.73: the witness's noise."""
    hysteresis: float
    """N by which the force must fall below `force` for a standing foot, or rise above it for a
    lifted one, to become as probable as not."""
    surest: float = 10.0
    """Log-odds that it gives at most, so that one that is broken can be overruled."""


@dataclass(frozen=True)
class ContactConfig:
    """From forces to probability. The defaults are of a robot of 40 kg."""

    touch: ForceConfig = ForceConfig(40.0, 6.0, 15.0)
    """A tenth of the weight: far above the sensor's bias, for a foot that is barely loaded
    slides."""
    torque: ForceConfig = ForceConfig(80.0, 20.0, 80.0, surest=3.0)
    """More, for a leg that swings has torques of its own."""
    damping: float = 0.02
    """m of singular value of a leg's Jacobian, below which torque tells little of force: a
    stretched knee carries any load without any."""


@dataclass(frozen=True)
class LeggedRobotConfig:
    """A robot on legs."""

    legs: tuple[LegChain, ...]  # in the order of `foot_force`
    estimator: LeggedConfig = LeggedConfig()  # its `feet` are all points of all legs
    contact: ContactConfig = ContactConfig()
