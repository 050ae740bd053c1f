"""The base's pose and velocity come from the IMU's, as Odometry and as a transform."""

import copy
import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from edge_runtime.fusion.estimate import ContinuousPose, Estimate, Health
from edge_runtime.fusion.lie import quaternion_to_matrix, so3_exp
from edge_runtime.signals import IMU_GYRO
from sim2edge_ros.edge.odometry import OdometryPublisher, covariances

LEVER = (0.1, -0.05, 0.3)  # m, of the IMU in the base
STORE = get_typestore(Stores.ROS2_JAZZY)
BIAS = np.array((0.01, -0.02, 0.03))
vectors = st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3).map(np.array)


class FakeNode:
    """Takes a node's place, and keeps what is published."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Any]] = {}

    def create_publisher(self, kind: Any, topic: str, qos: Any) -> Any:
        sent = self.sent[topic] = []
        return SimpleNamespace(publish=lambda message: sent.append(copy.deepcopy(message)))


def publisher(node: FakeNode, every: int = 1) -> OdometryPublisher:
    return OdometryPublisher(node, "h1/odom", "h1/base_link", LEVER, every, tf=True)  # type: ignore[arg-type]


def tick(estimate: Estimate, rate: np.ndarray, number: int = 1, lost: bool = False) -> Any:
    return SimpleNamespace(
        number=number,
        lost=lost,
        states=[estimate],
        sent=Any,
        signals={IMU_GYRO: (rate + BIAS)[None].astype(np.float32)},
        stamp=1795917000.25,
    )


def imu(attitude: np.ndarray, velocity: np.ndarray, position: np.ndarray) -> Estimate:
    zero = np.zeros(3)
    return Estimate(
        0.0, attitude, velocity, position, BIAS, zero, np.diag(np.arange(1.0, 10.0)), Health.GOOD
    )


def numbers(of: Any, axes: str = "xyz") -> np.ndarray:
    return np.array([getattr(of, axis) for axis in axes])


@settings(max_examples=50, deadline=None)
@given(vectors, vectors, vectors, vectors)
def test_the_bases_pose_follows_from_the_imus(
    turn: np.ndarray, place: np.ndarray, speed: np.ndarray, rate: np.ndarray
) -> None:
    """The IMU of a base at `place` that moves at `speed` and turns at `rate`, in its own frame."""
    rotation = so3_exp(turn)
    half = np.linalg.norm(turn) / 2
    attitude = np.array([np.cos(half), *(np.sinc(half / np.pi) / 2 * turn)])
    np.testing.assert_allclose(quaternion_to_matrix(attitude), rotation, atol=1e-9)
    velocity = rotation @ (speed + np.cross(rate, LEVER))
    node = FakeNode()
    made = publisher(node)
    made.observe(tick(imu(attitude, velocity, place + rotation @ LEVER), rate))
    made.send()
    made.send()  # nothing new
    (message,) = node.sent["odometry/filtered"]
    np.testing.assert_allclose(numbers(message.pose.pose.position), place, atol=1e-6)
    np.testing.assert_allclose(numbers(message.pose.pose.orientation, "wxyz"), attitude)
    np.testing.assert_allclose(numbers(message.twist.twist.linear), speed, atol=1e-6)
    np.testing.assert_allclose(numbers(message.twist.twist.angular), rate, atol=1e-6)
    assert (message.header.frame_id, message.child_frame_id) == ("h1/odom", "h1/base_link")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1795917000, 250_000_000)
    (data,) = node.sent["/tf"]
    (transform,) = STORE.deserialize_cdr(data, "tf2_msgs/msg/TFMessage").transforms  # type: ignore[attr-defined]
    assert transform.header.frame_id == "h1/odom"
    stamp = transform.header.stamp
    assert (stamp.sec, stamp.nanosec) == (1795917000, 250_000_000)
    assert transform.child_frame_id == "h1/base_link"
    np.testing.assert_allclose(numbers(transform.transform.translation), place, atol=1e-6)
    np.testing.assert_allclose(numbers(transform.transform.rotation, "wxyz"), attitude)


def test_a_continuous_pose_is_published_and_the_corrected_one_beside_it() -> None:
    """A car that its odometry sees at the origin, and GNSS far away and heading north."""
    level, north = np.eye(4)[0], np.array([1.0, 0.0, 0.0, 1.0]) / np.sqrt(2.0)
    corrected = imu(north, np.array([0.0, 2.0, 0.0]), np.array([100.0, 50.0, 0.0]))
    drift = np.array([[4.0, 0.5, 0.1], [0.5, 9.0, 0.2], [0.1, 0.2, 0.3]])
    both = dataclasses.replace(corrected, odometry=ContinuousPose(level, np.zeros(3), drift))
    node = FakeNode()
    made = publisher(node)
    made.observe(tick(both, np.zeros(3)))
    made.send()
    (continuous,), (absolute,) = (
        node.sent[topic] for topic in ("odometry/filtered", "odometry/corrected")
    )
    assert (continuous.header.frame_id, absolute.header.frame_id) == ("h1/odom", "map")
    np.testing.assert_allclose(numbers(continuous.pose.pose.position), -np.array(LEVER))
    at = np.array([100.0, 50.0, 0.0]) - quaternion_to_matrix(north) @ LEVER
    np.testing.assert_allclose(numbers(absolute.pose.pose.position), at, atol=1e-9)
    drifted = np.reshape(continuous.pose.covariance, (6, 6))
    np.testing.assert_array_equal(drifted[np.ix_([0, 1, 5], [0, 1, 5])], drift)
    assert np.all(np.linalg.eigvalsh(drifted) > 0.0)
    for message in (continuous, absolute):
        np.testing.assert_allclose(numbers(message.twist.twist.linear), [2.0, 0.0, 0.0], atol=1e-9)
        forward_and_left = np.diag(np.reshape(message.twist.covariance, (6, 6)))[:2]
        np.testing.assert_allclose(forward_and_left, [5.0, 4.0])  # of a car that heads north


def test_unknown_estimates_are_not_published() -> None:
    node, level = FakeNode(), np.eye(4)[0]
    made = publisher(node, every=2)
    known, unknown = imu(level, np.zeros(3), np.zeros(3)), np.full(3, np.nan)
    for reported in (
        tick(known, np.zeros(3), number=3),  # not its turn
        tick(known, np.zeros(3), number=4, lost=True),
        tick(imu(level, np.zeros(3), unknown), np.zeros(3), number=4),
        tick(imu(level, unknown, np.zeros(3)), np.zeros(3), number=4),
    ):
        made.observe(reported)
        made.send()
    assert node.sent["odometry/filtered"] == []
    made.observe(tick(known, np.zeros(3), number=4))
    made.send()
    assert len(node.sent["odometry/filtered"]) == len(node.sent["/tf"]) == 1


def test_covariances_are_in_the_frames_of_the_message() -> None:
    """Position before rotation in the world (REP-105), velocity in the base's frame."""
    quarter = np.array((0.0, 0.0, np.pi / 2))
    pose, twist = covariances(imu(np.eye(4)[0], quarter, quarter), so3_exp(quarter))
    assert np.diag(pose.reshape(6, 6)).tolist() == [7.0, 8.0, 9.0, 1.0, 2.0, 3.0]
    np.testing.assert_allclose(np.diag(twist.reshape(6, 6)), [5.0, 4.0, 6.0, 0.0, 0.0, 0.0])
