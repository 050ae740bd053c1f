"""Publishes a simulated robot's samples on the sensor topics of a real one."""

from typing import Any

import numpy as np
from geometry_msgs.msg import TwistWithCovarianceStamped, WrenchStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState, LaserScan, NavSatFix, NavSatStatus

from edge_runtime.fusion.geodesy import Datum
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.signals import (
    FOOT_FORCE,
    GNSS_POSITION,
    GNSS_VELOCITY,
    IMU_BURST,
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    LIDAR,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
)
from sim2edge_ros.messages import topics
from sim2edge_ros.settings.frames import Frames

_FIX_STAYS = 1_000_000_000  # ns after which an unchanged fix is published again
TRUTH = "ground_truth/odometry"  # nav_msgs/Odometry of the IMU, exact


class SensorPublisher:
    """Publishes what a robot's drivers would, in the frames of its URDF.

    The IMU has a reading at each physics step. They are published together at the end of a control
    period, as from an IMU whose FIFO is read, each with its own stamp. A fix is published when it
    is new, and once a second while it stays.

    Args:
        node: the node that owns the publishers.
        robot: names and frames.
        description: layout of a sample of the simulated robot.
        period: s, between two samples.
        datum: geodetic position of the world's origin.
        clock: whether to publish /clock too.
        frames: the frames' names; the true pose is published in the odometry frame.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotFile,
        description: RobotDescription,
        period: float,
        datum: Datum,
        clock: bool,
        frames: Frames,
    ) -> None:
        self._node, self._robot, self._description = node, robot, description
        self._period, self._datum = period, datum
        self._prefix = frames.prefix
        names = {s.name for s in description.signals}
        make = node.create_publisher
        self._clock = make(Clock, topics.CLOCK, topics.STATE) if clock else None
        self._clock_message = Clock()
        self._imu = make(Imu, topics.IMU_RAW, topics.SENSOR)
        self._imu_message = Imu()
        self._imu_message.header.frame_id = frames.prefix + robot.imu_frame
        self._imu_message.orientation_covariance[0] = -1.0  # REP-145: this IMU gives no orientation
        self._joints = make(JointState, topics.JOINTS, topics.STATE)
        self._joint_message = JointState(name=self._joint_names())
        self._angle = np.zeros(len(robot.wheel_joints))  # rad, of the wheels
        self._feet: list[tuple[Any, WrenchStamped]] = []
        if FOOT_FORCE in names:
            for foot in robot.feet:
                message = WrenchStamped()
                message.header.frame_id = frames.prefix + foot
                publisher = make(WrenchStamped, topics.FOOT.format(foot), topics.STATE)
                self._feet.append((publisher, message))
        self._scan = make(LaserScan, topics.SCAN, topics.SENSOR) if LIDAR in names else None
        self._scan_message = self._empty_scan()
        self._fix: Any = None
        if GNSS_POSITION in names:
            self._fix = make(NavSatFix, topics.FIX, topics.SENSOR)
            self._fix_velocity = make(
                TwistWithCovarianceStamped, topics.FIX_VELOCITY, topics.SENSOR
            )
        self._last_fix, self._fixed = b"", 0  # the last fix, and when it was published, ns
        self._truth = make(Odometry, TRUTH, topics.STATE)
        self._truth_message = Odometry(child_frame_id=frames.prefix + robot.imu_frame)
        self._truth_message.header.frame_id = frames.odom

    def publish(self, stamp: int, values: Array) -> None:
        """Publishes a sample; the IMU comes last, for it completes a sample.

        Args:
            stamp: ns.
            values: the sample, laid out as the description says.
        """
        signals = {name: v[0] for name, v in self._description.split(values).items()}
        if self._clock is not None:
            _set(self._clock_message.clock, stamp)
            self._clock.publish(self._clock_message)
        self._publish_joints(stamp, signals)
        for (publisher, message), force in zip(self._feet, signals.get(FOOT_FORCE, ())):
            _set(message.header.stamp, stamp)
            message.wrench.force.z = float(force)
            publisher.publish(message)
        if self._scan is not None:
            self._publish_scan(stamp, signals[LIDAR])
        if self._fix is not None:
            self._publish_fix(stamp, signals)
        self._publish_imu(stamp, signals[IMU_BURST].reshape(-1, 6))
        if "true_position" in signals and self._truth.get_subscription_count():
            self._publish_truth(stamp, signals)

    def _joint_names(self) -> list[str]:
        robot = self._robot
        if robot.wheel_joints:
            return [robot.steering_joint, *robot.wheel_joints, *robot.passive_joints]
        return list(self._description.joint_names)

    def _publish_joints(self, stamp: int, signals: dict[str, Array]) -> None:
        message = self._joint_message
        _set(message.header.stamp, stamp)
        if WHEEL_SPEED in signals:
            self._angle += self._period * signals[WHEEL_SPEED]
            steering, wheels = float(signals[STEERING_ANGLE][0]), signals[WHEEL_SPEED].tolist()
            # No sensor measures these joints, but a robot_state_publisher draws no wheel without
            # them.
            passive = [0.0] * len(self._robot.passive_joints)
            message.position = [steering, *self._angle.tolist(), *passive]
            message.velocity = [0.0, *wheels, *passive]
        else:
            message.position = signals[JOINT_POS].tolist()
            message.velocity = signals[JOINT_VEL].tolist()
            message.effort = signals[JOINT_TORQUE].tolist()
        self._joints.publish(message)

    def _publish_imu(self, stamp: int, burst: Array) -> None:
        message = self._imu_message
        step = round(self._period * 1e9 / len(burst))
        rate, force = message.angular_velocity, message.linear_acceleration
        for index, reading in enumerate(burst.tolist()):
            _set(message.header.stamp, stamp - (len(burst) - 1 - index) * step)
            rate.x, rate.y, rate.z, force.x, force.y, force.z = reading
            self._imu.publish(message)

    def _empty_scan(self) -> LaserScan:
        wheeled = self._robot.description.wheeled
        message = LaserScan()
        message.header.frame_id = self._prefix + LIDAR
        if wheeled is not None and wheeled.lidar is not None and self._scan is not None:
            beams = next(s.size for s in self._description.signals if s.name == LIDAR)
            view = wheeled.lidar.field_of_view
            message.angle_min, message.angle_max = -view / 2, view / 2
            message.angle_increment = view / (beams - 1)
            message.range_max = wheeled.lidar.max_range
            message.scan_time = self._period
        return message

    def _publish_scan(self, stamp: int, ranges: Array) -> None:
        assert self._scan is not None
        message = self._scan_message
        _set(message.header.stamp, stamp)
        no_echo = ranges >= message.range_max
        message.ranges = np.where(no_echo, np.inf, ranges).tolist()  # REP-117
        self._scan.publish(message)

    def _publish_fix(self, stamp: int, signals: dict[str, Array]) -> None:
        place, speed = signals[GNSS_POSITION], signals[GNSS_VELOCITY]
        both = place.tobytes() + speed.tobytes()
        again = not self._fixed < stamp < self._fixed + _FIX_STAYS
        if (both == self._last_fix and not again) or not np.isfinite(place).all():
            return
        self._last_fix, self._fixed = both, stamp
        message = NavSatFix()
        message.status.status = NavSatStatus.STATUS_FIX
        message.status.service = NavSatStatus.SERVICE_GPS
        message.header.frame_id = self._prefix + "gnss"
        _set(message.header.stamp, stamp)
        message.latitude, message.longitude, message.altitude = self._datum.to_geodetic(
            *place.tolist()
        )
        self._fix.publish(message)
        velocity = TwistWithCovarianceStamped(header=message.header)
        linear = velocity.twist.twist.linear
        linear.x, linear.y, linear.z = speed.tolist()
        self._fix_velocity.publish(velocity)

    def _publish_truth(self, stamp: int, signals: dict[str, Array]) -> None:
        message = self._truth_message
        _set(message.header.stamp, stamp)
        at, to = message.pose.pose.position, message.pose.pose.orientation
        at.x, at.y, at.z = signals["true_position"].tolist()
        to.w, to.x, to.y, to.z = signals["true_attitude"].tolist()
        linear = message.twist.twist.linear
        linear.x, linear.y, linear.z = signals["true_velocity"].tolist()
        self._truth.publish(message)


def _set(stamp: Any, nanoseconds: int) -> None:
    stamp.sec, stamp.nanosec = divmod(nanoseconds, 1_000_000_000)
