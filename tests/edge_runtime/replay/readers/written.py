"""Writes one made-up recording in each format that people have."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.replay.readers.request import ColumnsConfig, ReadRequest
from edge_runtime.signals import Float
from tests.edge_runtime.fusion.recordings import magnetometer, turning

START = 1_700_000_000_123_456_789  # ns since 1970
IMU, FIELD = "sensor_msgs/msg/Imu", "sensor_msgs/msg/MagneticField"
ODOMETRY, POSE = "nav_msgs/msg/Odometry", "geometry_msgs/msg/PoseStamped"
FIX, JOINTS = "sensor_msgs/msg/NavSatFix", "sensor_msgs/msg/JointState"
LEVEL = np.array([1.0, 0.0, 0.0, 0.0])
WRENCH, TEXT = "geometry_msgs/msg/WrenchStamped", "std_msgs/msg/String"


@dataclass(frozen=True)
class Recording:
    """Readings in rows."""

    stamp: Any  # (N,) ns
    gyro: Float
    accel: Float
    field: Float
    truth: Float  # wxyz


@cache
def recording(seconds: float = 5.0) -> Recording:
    rows = [(i, q, magnetometer(i, q).field) for i, q in turning(seconds, still=1.0)]
    return Recording(
        stamp=START + np.round([i.stamp * 1e9 for i, _, _ in rows]).astype(np.int64),
        gyro=np.array([i.gyro for i, _, _ in rows]),
        accel=np.array([i.accel for i, _, _ in rows]),
        field=np.array([f for _, _, f in rows]),
        truth=np.array([q for _, q, _ in rows]),
    )


@dataclass(frozen=True)
class Sent:
    """A message to write: where, what type, its fields beside the header, stamped and received."""

    topic: str
    type: str
    fields: dict[str, Any]
    stamp: int  # ns
    received: int = 0  # ns; by default when it was stamped


def vector(store: Any, values: Iterable[float], kind: str = "Vector3") -> Any:
    return store.types[f"geometry_msgs/msg/{kind}"](*map(float, values))


def turn(store: Any, wxyz: Iterable[float]) -> Any:
    w, x, y, z = map(float, wxyz)
    return store.types["geometry_msgs/msg/Quaternion"](x, y, z, w)


def imu_of(store: Any, gyro: Float, accel: Float, missing: bool = False) -> dict[str, Any]:
    unknown, none = np.zeros(9), np.zeros(9)
    none[0] = -1.0
    return {
        "orientation": turn(store, (1.0, 0.0, 0.0, 0.0)),
        "orientation_covariance": none,
        "angular_velocity": vector(store, gyro),
        "angular_velocity_covariance": none if missing else unknown,
        "linear_acceleration": vector(store, accel),
        "linear_acceleration_covariance": unknown,
    }


def field_of(store: Any, field: Float) -> dict[str, Any]:
    return {
        "magnetic_field": vector(store, field),
        "magnetic_field_covariance": np.zeros(9),
    }


def odometry_of(store: Any, attitude: Float, speed: float = 0.0, turning: float = 0.0) -> Any:
    types = store.types
    pose = types["geometry_msgs/msg/Pose"](
        position=vector(store, (1.0, 2.0, 3.0), "Point"), orientation=turn(store, attitude)
    )
    twist = types["geometry_msgs/msg/Twist"](
        linear=vector(store, (speed, 0.0, 0.0)), angular=vector(store, (0.0, 0.0, turning))
    )
    return {
        "child_frame_id": "imu",
        "pose": types["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36)),
        "twist": types["geometry_msgs/msg/TwistWithCovariance"](twist, np.zeros(36)),
    }


def joints_of(names: list[str], position: Any, velocity: Any) -> dict[str, Any]:
    return {
        "name": names,
        "position": np.asarray(position, np.float64),
        "velocity": np.asarray(velocity, np.float64),
        "effort": np.zeros(0),
    }


def store(ros: int = 2) -> Any:
    typesys = pytest.importorskip("rosbags.typesys")
    chosen = typesys.Stores.ROS1_NOETIC if ros == 1 else typesys.Stores.ROS2_HUMBLE
    return typesys.get_typestore(chosen)


def messages(s: Any, imu: str = "/imu/data", truth: str = "/ground_truth/odometry") -> list[Sent]:
    """The recording as a robot's drivers would send it."""
    r, sent = recording(), []
    for k, stamp in enumerate(r.stamp.tolist()):
        sent.append(Sent(imu, IMU, imu_of(s, r.gyro[k], r.accel[k]), stamp))
        sent.append(Sent("/imu/mag", FIELD, field_of(s, r.field[k]), stamp))
        if truth:
            sent.append(Sent(truth, ODOMETRY, odometry_of(s, r.truth[k]), stamp))
    return sent


def content(s: Any, ros: int, message: Sent) -> Any:
    made = s.types[message.type]
    if "header" not in made.__annotations__ and message.type == TEXT:
        return made(**message.fields)
    stamp = s.types["builtin_interfaces/msg/Time"](*divmod(message.stamp, 10**9))
    head = {"stamp": stamp, "frame_id": "imu"}
    header = s.types["std_msgs/msg/Header"](**({"seq": 0, **head} if ros == 1 else head))
    return made(header=header, **message.fields)


def write_ros1(path: Path, sent: list[Sent], compressed: str = "") -> Path:
    rosbag1 = pytest.importorskip("rosbags.rosbag1")
    s = store(1)
    writer = rosbag1.Writer(path)
    if compressed:
        writer.set_compression(writer.CompressionFormat[compressed])
    with writer:
        connections = {m.topic: m.type for m in sent}
        known = {t: writer.add_connection(t, k, typestore=s) for t, k in connections.items()}
        for m in sent:
            data = s.serialize_ros1(content(s, 1, m), m.type)
            writer.write(known[m.topic], m.received or m.stamp, data)
    return path


def write_ros2(
    path: Path, sent: list[Sent], storage: str = "MCAP", compressed: str = "", empty: str = ""
) -> Path:
    """Writes a folder; `empty` names a topic of text without messages."""
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    s = store(2)
    writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[storage])
    if compressed:
        writer.set_compression(rosbag2.CompressionMode[compressed], rosbag2.CompressionFormat.ZSTD)
    with writer:
        topics = {m.topic: m.type for m in sent} | ({empty: TEXT} if empty else {})
        known = {t: writer.add_connection(t, k, typestore=s) for t, k in topics.items()}
        for m in sent:
            data = s.serialize_cdr(content(s, 2, m), m.type)
            writer.write(known[m.topic], m.received or m.stamp, data)
    return path


def write_euroc(root: Path, truth: str = "state_groundtruth_estimate0") -> Path:
    """Writes the IMU turned: x up, y right, z backwards, as its sensor.yaml says."""
    r = recording()
    imu = root / "mav0" / "imu0"
    imu.mkdir(parents=True)
    to_body = np.array([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    numbers = ", ".join(
        f"{x:g}" for x in np.block([[to_body, np.zeros((3, 1))], [0, 0, 0, 1]]).flat
    )
    (imu / "sensor.yaml").write_text(
        f"sensor_type: imu\nT_BS:\n  cols: 4\n  rows: 4\n  data: [{numbers}]\nrate_hz: 200\n"
    )
    axes = [f"{v}_RS_S_{a} [{u}]" for v, u in (("w", "rad s^-1"), ("a", "m s^-2")) for a in "xyz"]
    rows = np.concatenate([r.gyro @ to_body, r.accel @ to_body], axis=1)
    write_rows(imu / "data.csv", ["#timestamp [ns]", *axes], r.stamp, rows)
    if truth:
        folder = root / "mav0" / truth
        folder.mkdir()
        names = ["#timestamp", *(f"p{k}" for k in range(3)), *(f"q{k}" for k in range(4))]
        places = np.tile([1.0, 2.0, 3.0], (len(r.stamp), 1))
        write_rows(folder / "data.csv", names, r.stamp, np.concatenate([places, r.truth], axis=1))
    return root


def write_rows(path: Path, names: list[str], stamp: Any, rows: Float, separator: str = ",") -> Path:
    lines = [separator.join(names)] if names else []
    for at, row in zip(stamp.tolist(), rows):
        lines.append(separator.join([repr(at), *(repr(float(x)) for x in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def named(prefixes: str = "gyro accel mag") -> list[str]:
    return [f"{sensor}_{axis}" for sensor in prefixes.split() for axis in "xyz"]


def all_rows() -> Float:
    r = recording()
    return np.concatenate([r.gyro, r.accel, r.field], axis=1)


def arrays() -> dict[str, Any]:
    r = recording()
    seconds = (r.stamp - START) / 1e9
    return {"time": seconds, "gyro": r.gyro, "accel": r.accel, "mag": r.field, "truth": r.truth}


def write_npz(path: Path) -> Path:
    np.savez(path, **arrays())
    return path


def write_npy(path: Path) -> Path:
    seconds = arrays()["time"]
    np.save(path, np.concatenate([seconds[:, None], all_rows()], axis=1))
    return path


def write_mat(path: Path) -> Path:
    scipy_io = pytest.importorskip("scipy.io")
    scipy_io.savemat(path, {"data": arrays()})
    return path


def write_hdf5(path: Path, matlab: bool = False, values: dict[str, Any] | None = None) -> Path:
    """Writes plain HDF5, or as MATLAB 7.3 does: a header before it, and columns first."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512 if matlab else 0) as file:
        for name, value in (arrays() if values is None else values).items():
            value = np.asarray(value)
            if matlab:
                value = np.atleast_2d(value.T if value.ndim == 2 else value)
            dataset = file.create_dataset(f"data/{name}", data=value)
            if matlab:
                dataset.attrs["MATLAB_class"] = np.bytes_("double")
    if matlab:
        with path.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


@dataclass(frozen=True)
class Written:
    """A format: how the recording is written, and what must be said of it."""

    write: Callable[[Path], Path]
    request: ReadRequest = field(default_factory=ReadRequest)
    has_truth: bool = True


TRUTH = ReadRequest(columns=ColumnsConfig(reference=("truth",)))
FORMATS: dict[str, Written] = {
    "ROS 1": Written(lambda p: write_ros1(p / "a.bag", messages(store(1)))),
    "ROS 1 bz2": Written(lambda p: write_ros1(p / "a.bag", messages(store(1)), "BZ2")),
    "ROS 1 lz4": Written(lambda p: write_ros1(p / "a.bag", messages(store(1)), "LZ4")),
    "MCAP": Written(lambda p: write_ros2(p / "a", messages(store()))),
    "MCAP zstd": Written(lambda p: write_ros2(p / "a", messages(store()), "MCAP", "STORAGE")),
    "SQLite": Written(lambda p: write_ros2(p / "a", messages(store()), "SQLITE3")),
    "SQLite zstd": Written(lambda p: write_ros2(p / "a", messages(store()), "SQLITE3", "FILE")),
    "SQLite messages": Written(
        lambda p: write_ros2(p / "a", messages(store()), "SQLITE3", "MESSAGE")
    ),
    "MCAP file": Written(lambda p: write_ros2(p / "a", messages(store())) / "a.mcap"),
    "SQLite file": Written(lambda p: write_ros2(p / "a", messages(store()), "SQLITE3") / "a.db3"),
    "EuRoC": Written(lambda p: write_euroc(p / "MH_01")),
    "TUM VI": Written(lambda p: write_euroc(p / "room1", "mocap0")),
    "CSV": Written(
        lambda p: write_rows(
            p / "a.csv", ["timestamp_ns", *named()], recording().stamp, all_rows()
        ),
        has_truth=False,
    ),
    "tabs": Written(
        lambda p: write_rows(
            p / "a.txt", ["t [ns]", *named("gyr acc mag")], recording().stamp, all_rows(), "\t"
        ),
        has_truth=False,
    ),
    "no heading": Written(
        lambda p: write_rows(p / "a.csv", [], recording().stamp, all_rows()),
        ReadRequest(columns=ColumnsConfig("1", ("2", "3", "4"), ("5", "6", "7"), ("8", "9", "10"))),
        has_truth=False,
    ),
    "npz": Written(lambda p: write_npz(p / "a.npz"), TRUTH),
    "npy": Written(
        lambda p: write_npy(p / "a.npy"),
        ReadRequest(columns=ColumnsConfig("1", ("2", "3", "4"), ("5", "6", "7"), ("8", "9", "10"))),
        has_truth=False,
    ),
    "MATLAB 5": Written(
        lambda p: write_mat(p / "a.mat"),
        ReadRequest(columns=ColumnsConfig(reference=("data.truth",))),
    ),
    "MATLAB 7.3": Written(
        lambda p: write_hdf5(p / "a.mat", matlab=True),
        ReadRequest(columns=ColumnsConfig(reference=("data.truth",))),
    ),
    "HDF5": Written(
        lambda p: write_hdf5(p / "a.h5"),
        ReadRequest(columns=ColumnsConfig(reference=("data.truth",))),
    ),
}


def write_for_the_guide() -> None:
    """Writes what the commands of docs/guides/recordings.md read."""
    here = Path.cwd()
    write_ros2(here / "my_bag", messages(store()))
    s = store(1)
    sent = messages(s)
    sent += [Sent("/odom", ODOMETRY, odometry_of(s, LEVEL), m.stamp) for m in sent if m.type == IMU]
    write_ros1(here / "drive.bag", sorted(sent, key=lambda m: m.stamp))
    write_euroc(here / "MH_01_easy")
    write_rows(here / "log.csv", ["timestamp_ns", *named()], recording().stamp, all_rows())
    write_rows(here / "bare.csv", [], recording().stamp, all_rows())
    write_npz(here / "log.npz")
