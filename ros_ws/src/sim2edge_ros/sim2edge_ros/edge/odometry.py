"""Publishes the estimator's state as nav_msgs/Odometry and TF (REP-105)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node

from edge_runtime.fusion.estimate import ContinuousPose, Estimate, Health
from edge_runtime.loop.handover import LatestValue
from edge_runtime.loop.tick import Tick
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import IMU_GYRO, Float
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.tf_message import tf_message
from sim2edge_ros.messages.transforms import TransformsMessage

_ZERO = np.zeros(3)
_NOWHERE = Estimate(
    0.0, np.eye(4)[0], _ZERO, _ZERO, _ZERO, _ZERO, np.zeros((9, 9)), Health.INITIALISING
)


class OdometryPublisher:
    """Observes ticks in the loop's thread and publishes estimates in the publisher's.

    Nothing is published while the estimator has no velocity and position, or is lost. One with a
    pose that never jumps has that published, and its corrected pose on a topic of its own, in
    `map_frame` and without a transform, which is a localization's to publish.

    Args:
        node: the node that owns the publishers.
        odom_frame: frame in which the pose is given.
        base_frame: frame whose pose it is, and in which the velocity is given.
        imu_in_base: m, position of the IMU, whose axes are those of the base.
        every: ticks from one message to the next; 0 for none.
        tf: whether to publish the transform too.
        shift: returns the offset of the robot's stamps from those of the loop's samples, s.
        map_frame: frame of the corrected pose.
    """

    def __init__(
        self,
        node: Node,
        odom_frame: str,
        base_frame: str,
        imu_in_base: tuple[float, float, float],
        every: int,
        tf: bool,
        shift: Callable[[], float] = lambda: 0.0,
        map_frame: str = "map",
    ) -> None:
        self._node, self._every, self._shift = node, every, shift
        self._lever = np.array(imu_in_base)
        self._newest: LatestValue[tuple[float, Estimate, Float] | None] = LatestValue(None)
        self._sent: object = None
        self._publisher = node.create_publisher(Odometry, topics.ODOMETRY, topics.STATE)
        self._message = Odometry(child_frame_id=base_frame)
        self._message.header.frame_id = odom_frame
        self._corrected: Any = None  # publishes, once there is a corrected pose beside the other
        self._corrected_message = Odometry(child_frame_id=base_frame)
        self._corrected_message.header.frame_id = map_frame
        self._tf: Any = None
        kind = tf_message() if tf else None
        if kind is not None:
            self._transform = TransformsMessage([(odom_frame, base_frame)])
            self._tf = node.create_publisher(kind, topics.TF, topics.STATE)
        # Once in advance: for its first product of matrices OpenBLAS allocates tens of MB, which
        # holds the interpreter for 80 ms where memory is locked.
        self._fill(self._message, 0.0, _NOWHERE, _ZERO)

    def observe(self, tick: Tick) -> None:
        """Keeps the estimate of a tick; called by the loop's thread."""
        if not self._every or tick.number % self._every or tick.sent is None or tick.lost:
            return
        states = tick.states
        if states:
            rate = tick.signals[IMU_GYRO][0].astype(np.float64)
            self._newest.put((tick.stamp + self._shift(), states[0], rate))

    @property
    def estimate(self) -> Estimate | None:
        """Returns the newest estimate that was kept."""
        newest = self._newest.get()
        return None if newest is None else newest[1]

    def send(self) -> None:
        """Publishes the newest estimate, in the publisher's thread."""
        newest = self._newest.get()
        if newest is None or newest is self._sent:
            return
        self._sent = newest
        stamp, estimate, rate = newest
        if not (np.isfinite(estimate.position).all() and np.isfinite(estimate.velocity).all()):
            return
        rate = rate - estimate.gyro_bias
        if estimate.odometry is not None:
            self._send_corrected(stamp, estimate, rate)
            estimate = in_odom(estimate, estimate.odometry)
        self._fill(self._message, stamp, estimate, rate)
        self._publisher.publish(self._message)
        if self._tf is not None:
            self._send_transform()

    def _send_corrected(self, stamp: float, estimate: Estimate, rate: Float) -> None:
        if self._corrected is None:
            self._corrected = self._node.create_publisher(
                Odometry, topics.CORRECTED_ODOMETRY, topics.STATE
            )
        self._fill(self._corrected_message, stamp, estimate, rate)
        self._corrected.publish(self._corrected_message)

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)
        if self._corrected is not None:
            self._node.destroy_publisher(self._corrected)
        if self._tf is not None:
            self._node.destroy_publisher(self._tf)

    def _fill(self, message: Odometry, stamp: float, estimate: Estimate, rate: Float) -> None:
        turn = rotation_matrix(estimate.attitude[None])[0]  # body to world
        pose, twist = message.pose, message.twist
        seconds = int(stamp)
        message.header.stamp.sec = seconds
        message.header.stamp.nanosec = int((stamp - seconds) * 1e9)
        place = estimate.position - turn @ self._lever
        speed = turn.T @ estimate.velocity - np.cross(rate, self._lever)
        at, to = pose.pose.position, pose.pose.orientation
        at.x, at.y, at.z = place.tolist()
        to.w, to.x, to.y, to.z = estimate.attitude.tolist()
        linear, angular = twist.twist.linear, twist.twist.angular
        linear.x, linear.y, linear.z = speed.tolist()
        angular.x, angular.y, angular.z = rate.tolist()
        pose.covariance, twist.covariance = covariances(estimate, turn)

    def _send_transform(self) -> None:
        stamp, pose = self._message.header.stamp, self._message.pose.pose
        at, to = pose.position, pose.orientation
        poses = np.array([[at.x, at.y, at.z, to.x, to.y, to.z, to.w]])
        self._tf.publish(self._transform.pack(stamp.sec * 1_000_000_000 + stamp.nanosec, poses))


def in_odom(estimate: Estimate, odometry: ContinuousPose) -> Estimate:
    """Returns an estimate whose pose is the continuous one, with velocity and covariance in its
    frame.

    Place and heading have the covariance of their drift, without a share of the other axes.
    """
    turns = rotation_matrix(np.stack([odometry.attitude, estimate.attitude]))
    turn = turns[0] @ turns[1].T  # world to odom
    whole = np.kron(np.eye(3), turn)
    covariance = whole @ estimate.covariance @ whole.T
    drifting = [6, 7, 2]  # x, y and heading
    covariance[drifting, :], covariance[:, drifting] = 0.0, 0.0
    covariance[np.ix_(drifting, drifting)] = odometry.covariance
    return replace(
        estimate,
        attitude=odometry.attitude,
        position=odometry.position,
        velocity=turn @ estimate.velocity,
        covariance=covariance,
    )


def covariances(estimate: Estimate, turn: Float) -> tuple[Float, Float]:
    """Returns covariances of pose (position, rotation) in the world and of velocity in the body,
    (36,) each.

    The angular velocity is the gyroscope's, whose covariance is not estimated: 0, "unknown".
    """
    whole = estimate.covariance
    order = [6, 7, 8, 0, 1, 2]
    pose = whole[np.ix_(order, order)]
    twist = np.zeros((6, 6))
    twist[:3, :3] = turn.T @ whole[3:6, 3:6] @ turn
    return pose.reshape(-1).copy(), twist.reshape(-1)
