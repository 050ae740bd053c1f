"""Messages to be recorded, and bags read with the libraries that others read them with."""

import struct
from pathlib import Path

import numpy as np
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from sim2edge_ros.recorder.bag import Topic

STORE = get_typestore(Stores.ROS2_JAZZY)
COUNT, IMU = "std_msgs/msg/UInt64", "sensor_msgs/msg/Imu"
QOS = (
    '[{"history": 1, "depth": 10, "reliability": 1, "durability": 2, '
    '"deadline": {"sec": 9223372036, "nsec": 854775807}, '
    '"lifespan": {"sec": 9223372036, "nsec": 854775807}, "liveliness": 1, '
    '"liveliness_lease_duration": {"sec": 9223372036, "nsec": 854775807}, '
    '"avoid_ros_namespace_conventions": false}]'
)


def topic(name: str, kind: str) -> Topic:
    return Topic(name, kind, STORE.generate_msgdef(kind, ros_version=2)[0], QOS)


def count_message(value: int) -> bytes:
    """A std_msgs/UInt64 as it is on the wire: 4 bytes of header, little endian."""
    return b"\x00\x01\x00\x00" + struct.pack("<Q", value)


def imu_message(rate: float) -> bytes:
    types = STORE.types
    vector, quaternion = types["geometry_msgs/msg/Vector3"], types["geometry_msgs/msg/Quaternion"]
    time, header = types["builtin_interfaces/msg/Time"], types["std_msgs/msg/Header"]
    message = types[IMU](
        header=header(stamp=time(sec=12, nanosec=34), frame_id="imu"),
        orientation=quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=np.zeros(9),
        angular_velocity=vector(x=rate, y=0.0, z=0.0),
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=vector(x=0.0, y=0.0, z=9.81),
        linear_acceleration_covariance=np.zeros(9),
    )
    return bytes(STORE.serialize_cdr(message, IMU))


def mcap_counts(path: Path) -> list[int]:
    """The values of a file's std_msgs/UInt64, read with the `mcap` library, by its index."""
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        return [struct.unpack_from("<4xQ", m.data)[0] for _, _, m in reader.iter_messages()]


def rosbags_values(bag: Path) -> dict[str, list[object]]:
    """All messages of a bag or file by topic, decoded with `rosbags` by what the bag says."""
    found: dict[str, list[object]] = {}
    with Reader(bag) as reader:
        store = get_typestore(Stores.EMPTY)
        for connection in reader.connections:
            kinds = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            store.register({k: v for k, v in kinds.items() if k not in store.types})
        for connection, _, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            found.setdefault(connection.topic, []).append(message)
    return found


def rosbags_count(bag: Path) -> int:
    """Returns how many messages `rosbags` finds, as many as the bag's metadata lists."""
    with Reader(bag) as reader:
        found = sum(1 for _ in reader.messages())
        assert found == reader.message_count
        return found


def size_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.mcap*"))
