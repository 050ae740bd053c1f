"""What is read from a message's bytes is what its Python object holds."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from geometry_msgs.msg import WrenchStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from sim2edge_ros.messages import cdr
from sim2edge_ros.sensors.readers import ImuReader, read_foot

number = st.floats(allow_nan=False, width=64)
# No zero byte, which ends a string there.
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)


def headed(message: Any, frame: str, sec: int = 0, nanosec: int = 0) -> Any:
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    return message


@given(
    text,
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(number, min_size=6, max_size=6),
)
def test_an_imu(frame: str, sec: int, nanosec: int, values: list[float]) -> None:
    message = headed(Imu(), frame, sec, nanosec)
    rate, force = message.angular_velocity, message.linear_acceleration
    rate.x, rate.y, rate.z, force.x, force.y, force.z = values
    data = serialize_message(message)
    assert cdr.stamp(data) == (sec, nanosec)
    assert ImuReader("imu")(data).tolist() == values


@given(text, st.lists(text, max_size=6), st.data())
def test_joints(frame: str, names: list[str], given_: st.DataObject) -> None:
    lists = [given_.draw(st.lists(number, max_size=4)) for _ in range(3)]
    message = JointState(name=names, position=lists[0], velocity=lists[1], effort=lists[2])
    data = serialize_message(headed(message, frame))
    found, at = cdr.strings(data, cdr.offset_after_header(data, 4))
    assert found == names
    for wanted in lists:
        values, at = cdr.doubles(data, at)
        assert values.tolist() == wanted


@given(text, st.floats(-100.0, 1e5))
def test_the_force_on_a_foot(frame: str, force: float) -> None:
    message = headed(WrenchStamped(), frame)
    message.wrench.force.z = force
    assert read_foot(serialize_message(message)) == force


@given(st.lists(number, max_size=20), st.lists(text, max_size=3))
def test_arrays(values: list[float], labels: list[str]) -> None:
    message = Float64MultiArray(data=values)
    assert deserialize_message(cdr.pack_array(np.array(values)), Float64MultiArray) == message
    message.layout.dim = [MultiArrayDimension(label=label, size=1, stride=2) for label in labels]
    assert cdr.unpack_array(serialize_message(message)).tolist() == values


def test_another_byte_order_is_read_too() -> None:
    """Written by hand: no publisher on this machine sends it."""
    head, one, padding = bytes(12), b"\x00\x00\x00\x01", bytes(4)
    big = head + one + padding + np.array([math.pi], ">f8").tobytes()
    assert cdr.unpack_array(cdr.plain(big, Float64MultiArray)).tolist() == [math.pi]
