"""Reads the numbers of ROS messages; `m` has the fields of its type in ROS 1 and ROS 2 alike."""

from collections.abc import Callable, Mapping
from typing import Any

Numbers = tuple[float, ...]
Take = Callable[[Any], Numbers]


def stamp_of(m: Any) -> int:
    """Returns the stamp of a message's header, ns; 0 if nobody set it."""
    stamp = m.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _vector(v: Any) -> Numbers:
    return (v.x, v.y, v.z)


def _turn(q: Any) -> Numbers:
    return (q.w, q.x, q.y, q.z)


def imu(m: Any) -> Numbers:
    """Returns gyroscope, rad/s, and accelerometer, m/s^2: 6 numbers."""
    return (*_vector(m.angular_velocity), *_vector(m.linear_acceleration))


def measures_both(m: Any) -> bool:
    """Returns whether an Imu message has both sensors: REP-145 has -1 for one that it lacks."""
    both = (m.angular_velocity_covariance, m.linear_acceleration_covariance)
    return all(covariance[0] != -1.0 for covariance in both)


_TWISTS: Mapping[str, Callable[[Any], Any]] = {
    "nav_msgs/msg/Odometry": lambda m: m.twist.twist,
    "geometry_msgs/msg/TwistWithCovarianceStamped": lambda m: m.twist.twist,
    "geometry_msgs/msg/TwistStamped": lambda m: m.twist,
}


def _linear(twist: Callable[[Any], Any]) -> Take:
    return lambda m: _vector(twist(m).linear)


def _driven(twist: Callable[[Any], Any]) -> Take:
    return lambda m: (twist(m).linear.x, twist(m).angular.z)


def _fix(m: Any) -> Numbers:
    """Returns latitude and longitude, deg, height, m, variances, m^2, and whether it is a fix."""
    c = m.position_covariance
    known = m.position_covariance_type > 0
    variance = (c[0], c[4], c[8]) if known else (float("nan"),) * 3
    return (m.latitude, m.longitude, m.altitude, *variance, float(m.status.status >= 0))


_UNKNOWN = (float("nan"),) * 3

IMU: Mapping[str, Take] = {"sensor_msgs/msg/Imu": imu}
FIELD: Mapping[str, Take] = {
    "sensor_msgs/msg/MagneticField": lambda m: _vector(m.magnetic_field),
    "geometry_msgs/msg/Vector3Stamped": lambda m: _vector(m.vector),
}
# Speed forwards, m/s, and turn rate, rad/s, by the wheels.
DRIVEN: Mapping[str, Take] = {kind: _driven(twist) for kind, twist in _TWISTS.items()}
FIX: Mapping[str, Take] = {"sensor_msgs/msg/NavSatFix": _fix}
FIX_VELOCITY: Mapping[str, Take] = {
    kind: _linear(twist) for kind, twist in _TWISTS.items() if kind.startswith("geometry_msgs")
}
JOINTS = "sensor_msgs/msg/JointState"
WRENCH: Mapping[str, Take] = {"geometry_msgs/msg/WrenchStamped": lambda m: (m.wrench.force.z,)}
# Attitude (wxyz), position, and velocity in the body frame.
POSE: Mapping[str, Take] = {
    "nav_msgs/msg/Odometry": lambda m: (
        *_turn(m.pose.pose.orientation),
        *_vector(m.pose.pose.position),
        *_vector(m.twist.twist.linear),
    ),
    "geometry_msgs/msg/PoseStamped": lambda m: (
        *_turn(m.pose.orientation),
        *_vector(m.pose.position),
        *_UNKNOWN,
    ),
    "geometry_msgs/msg/PoseWithCovarianceStamped": lambda m: (
        *_turn(m.pose.pose.orientation),
        *_vector(m.pose.pose.position),
        *_UNKNOWN,
    ),
    "geometry_msgs/msg/TransformStamped": lambda m: (
        *_turn(m.transform.rotation),
        *_vector(m.transform.translation),
        *_UNKNOWN,
    ),
}
