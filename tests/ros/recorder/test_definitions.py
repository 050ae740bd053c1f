"""A bag holds the definitions that a reader needs to decode its messages."""

import importlib.util

import pytest
from rosbags.typesys import get_types_from_msg

from sim2edge_ros.recorder.definitions import definition

FILES = {
    ("pkg", "Top"): (
        "# A comment with std_msgs/Header in it\n"
        "uint8 KIND=1\nstring NAME = Part other\n"
        "std_msgs/Header header\n"
        "Part[] parts # Other more\n"
        "other_msgs/msg/Thing[<=3] things\n"
        "string<=10 text 'Part of it'\n"
        "float64[9] covariance\n"
    ),
    ("pkg", "Part"): "Thing thing\nint32 x 5\n",
    ("pkg", "Thing"): "bool[<=4] set\n",
    ("other_msgs", "Thing"): "pkg/Thing thing\nHeader header\n",
    ("std_msgs", "Header"): "builtin_interfaces/Time stamp\nstring frame_id\n",
    ("builtin_interfaces", "Time"): "int32 sec\nuint32 nanosec\n",
}


def test_holds_each_type_once() -> None:
    text = definition("pkg/msg/Top", lambda package, name: FILES[package, name])
    assert [line for line in text.splitlines() if line.startswith("MSG: ")] == [
        "MSG: std_msgs/Header",
        "MSG: pkg/Part",
        "MSG: other_msgs/Thing",
        "MSG: builtin_interfaces/Time",
        "MSG: pkg/Thing",
    ]
    assert text.startswith(FILES["pkg", "Top"])
    kinds = get_types_from_msg(text, "pkg/msg/Top")
    assert set(kinds) == {
        *("pkg/msg/Top", "pkg/msg/Part", "pkg/msg/Thing", "other_msgs/msg/Thing"),
        *("std_msgs/msg/Header", "builtin_interfaces/msg/Time"),
    }


def test_says_which_is_missing() -> None:
    with pytest.raises(LookupError, match="package 'no_such_msgs' is not installed"):
        definition("no_such_msgs/msg/Thing")
    with pytest.raises(LookupError, match="no definition of 'json/Thing'"):
        definition("json/msg/Thing")


@pytest.mark.skipif(
    importlib.util.find_spec("sensor_msgs") is None, reason="ROS messages are not installed"
)
def test_finds_the_installed_ones() -> None:
    text = definition("sensor_msgs/msg/Imu")
    kinds = get_types_from_msg(text, "sensor_msgs/msg/Imu")
    assert {"geometry_msgs/msg/Quaternion", "geometry_msgs/msg/Vector3"} <= set(kinds)
    assert "float64[9] orientation_covariance" in text
