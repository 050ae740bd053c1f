"""Reads the messages of /tf and /tf_static, whose package PyPI does not have."""

from typing import Any

from rosbags.typesys import Stores, get_typestore

_STORE = get_typestore(Stores.ROS2_JAZZY)


def transforms(data: bytes) -> list[Any]:
    return list(_STORE.deserialize_cdr(data, "tf2_msgs/msg/TFMessage").transforms)  # type: ignore[attr-defined]
