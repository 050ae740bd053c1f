"""Sets the legged filter and describes a robot's legs, without the filter."""

from dataclasses import dataclass
from typing import ClassVar

from edge_runtime.config.fields import setting
from edge_runtime.fusion.imu_check_config import ImuCheckConfig

Vector = tuple[float, float, float]
MOST_FEET = 16


@dataclass(frozen=True)
class LegJoint:
    """Describes a hinge of a leg at zero joint angles."""

    name: str
    offset: Vector  # m, from the joint before, or the IMU, to this one
    axis: Vector  # of unit length; a positive angle turns what follows about it


@dataclass(frozen=True)
class LegChain:
    """Describes the chain from the IMU to the standing points of one foot at zero joint angles."""

    name: str
    joints: tuple[LegJoint, ...]
    points: tuple[Vector, ...]  # m, each from the last joint


@dataclass(frozen=True)
class LeggedConfig:
    """Sets the legged filter: noise of the sensors, gates, and limits of the health."""

    feet: int = setting(2, above=0, at_most=MOST_FEET)
    """Points F that may stand on the ground, the points of a sole one after another."""
    points: int = setting(1, at_least=1, at_most=2)
    """Points of a sole: 1, or 2 (heel and toe) for a flat foot, which shows how the body turns
    about the vertical even on one leg."""
    # IMU. The defaults are a good MEMS sensor on a body that vibrates.
    gyro_noise: float = setting(2e-4, unit="rad/s/sqrt(Hz)", at_least=0)
    """Noise density of the gyroscope; data sheets say 0.5e-4 to 2e-4."""
    accel_noise: float = setting(3e-3, unit="m/s^2/sqrt(Hz)", at_least=0)
    """Noise density of the accelerometer; data sheets say 0.5e-3 to 3e-3."""
    gyro_walk: float = setting(1e-5, unit="rad/s/sqrt(s)", at_least=0)
    """Random walk of the gyroscope's bias."""
    accel_walk: float = setting(1e-4, unit="m/s^2/sqrt(s)", at_least=0)
    """Random walk of the accelerometer's bias."""
    gyro_bias_std: float = setting(0.01, unit="rad/s", at_least=0)
    """Standard deviation of the gyroscope's bias at the start."""
    accel_bias_std: float = setting(0.05, unit="m/s^2", at_least=0)
    """Standard deviation of the accelerometer's bias at the start. Tilt hides the horizontal part
    while the robot does not turn: 0.05 m/s^2 stay 0.3 degrees."""
    # Feet.
    foot_noise: float = setting(0.005, unit="m", at_least=0)
    """Noise of each coordinate of a foot by kinematics: encoder noise times the leg's length."""
    foot_walk: float = setting(0.007, unit="m/sqrt(s)", at_least=0)
    """Random walk of a standing foot, whose sole rolls and gives: 5 mm in a stance."""
    point_noise: float = setting(0.0015, unit="m", at_least=0)
    """Noise of each point of a sole besides: encoder noise times half the distance of heel and
    toe."""
    point_walk: float = setting(0.003, unit="m/sqrt(s)", at_least=0)
    """Random walk of each point of a sole besides, which turns on the ground."""
    slip_turn: float = setting(0.001, unit="rad/s", at_least=0)
    """Rate by which the feet may turn on the ground all the time, in the same sense with every
    step. The gyroscope's bias about the vertical is believed no further. Flat soles do 0.01 and
    more."""
    rest_ratio: float = setting(1.5, at_least=0)
    """Ratio of the variance of gyroscope and accelerometer over half a second to that of their
    noise, up to which the body rests, so that the gyroscope reads its bias. 0 for never."""
    contact_on: float = setting(0.9, at_least=0, at_most=1)
    """Probability of contact from which a foot stands."""
    contact_off: float = setting(0.5, at_least=0, at_most=1)
    """Probability of contact below which a foot has lifted off. Between the two it counts for less:
    its walk is divided by the probability."""
    # Slip and contradiction.
    outlier_gate: float = setting(30.0, at_least=0)
    """Squared Mahalanobis distance of a reading that is refused; chance has it once in 700,000
    (chi-squared of three degrees)."""
    slip_time: float = setting(0.02, unit="s", at_least=0)
    """Time over which the innovations of a foot are averaged: a slip is small in each of them."""
    slip_gate: float = setting(30.0, at_least=0)
    """Squared Mahalanobis distance of that average, from which a foot slips."""
    slip_walk: float = setting(0.3, unit="m/sqrt(s)", at_least=0)
    """Random walk of a slipping foot, which then says nothing of the velocity."""
    slip_window: float = setting(0.1, unit="s", at_least=0)
    """Time after which a slipping foot is tested for having come to rest."""
    slip_speed: float = setting(0.1, unit="m/s", at_least=0)
    """Speed below which a slipping foot has come to rest."""
    patience: float = setting(0.01, unit="s", at_least=0)
    """Time for which a foot's readings are refused before it is placed anew."""
    all_slip_time: float = setting(0.5, unit="s", at_least=0)
    """Time for which every foot slips before the velocity is taken to be wrong instead. For so long
    the IMU alone holds it to some cm/s."""
    # Start, and what is good enough.
    tilt_std: float = setting(0.2, unit="rad", at_least=0)
    """Standard deviation of the tilt at the start, by the accelerometer of a moving robot."""
    velocity_std: float = setting(0.6, unit="m/s", at_least=0)
    """Standard deviation of the velocity at the start: the robot may walk already."""
    good_tilt: float = setting(0.03, unit="rad", at_least=0)
    """Standard deviation of the tilt up to which health is good."""
    good_velocity: float = setting(0.1, unit="m/s", at_least=0)
    """Standard deviation of the velocity up to which health is good."""
    lost_tilt: float = setting(0.3, unit="rad", at_least=0)
    """Standard deviation of the tilt from which the state is lost."""
    lost_velocity: float = setting(1.0, unit="m/s", at_least=0)
    """Standard deviation of the velocity from which the state is lost."""
    airborne: float = setting(0.5, unit="s", at_least=0)
    """Time without a standing foot after which health is degraded."""
    longest_gap: float = setting(0.25, unit="s", at_least=0)
    """Time without the IMU after which the state is lost until the feet determine it anew."""
    imu: ImuCheckConfig = ImuCheckConfig()
    # Late measurements.
    history: int = setting(64, above=0)
    """Events kept, so that a late one finds its place: 64 are 16 ms of IMU and feet at 2 kHz, 160
    ms at 200 Hz. A control loop, where nothing comes late, keeps 4."""
    horizon: float = setting(0.25, unit="s", at_least=0)
    """Time by which a measurement may be late at most."""


@dataclass(frozen=True)
class ForceConfig:
    """Maps one force under a foot to the log-odds that it stands."""

    force: float = setting(unit="N", at_least=0)
    """Force at which a foot stands as probably as not."""
    width: float = setting(unit="N", above=0)
    """Force from there to a probability of 0.73: the noise of that force."""
    hysteresis: float = setting(unit="N", at_least=0)
    """Force by which `force` must be undercut by a standing foot, or exceeded by a lifted one, to
    become as probable as not."""
    surest: float = setting(10.0, above=0)
    """Log-odds that this force gives at most, so that a broken sensor can be overruled."""


@dataclass(frozen=True)
class ContactConfig:
    """Maps forces to the probability of contact."""

    mass: ClassVar[float] = 40.0
    """Mass of the robot that the defaults fit, kg; for another, they scale with the weight."""
    touch: ForceConfig = ForceConfig(40.0, 6.0, 15.0)
    """Force of a touch sensor: a tenth of the weight, far above the sensor's bias, because a barely
    loaded foot slides."""
    torque: ForceConfig = ForceConfig(80.0, 20.0, 80.0, surest=3.0)
    """Force by the joints' torques: more, because a leg that swings has torques of its own."""
    damping: float = setting(0.02, unit="m", at_least=0)
    """Singular value of a leg's Jacobian below which torque says little of force: a stretched knee
    carries any load without any."""


@dataclass(frozen=True)
class LeggedRobotConfig:
    """Describes the legs of a robot, and sets its legged estimator."""

    legs: tuple[LegChain, ...]  # in the order of `foot_force`
    estimator: LeggedConfig = LeggedConfig()  # its `feet` are all points of all legs
    contact: ContactConfig = ContactConfig()
