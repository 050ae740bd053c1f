"""What cannot be read is named in one line, with what can be done about it."""

import gzip
import lzma
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import (
    ColumnsConfig,
    ReadRequest,
    TopicsConfig,
    UnitsConfig,
)
from tests.edge_runtime.replay.readers.written import (
    IMU,
    Sent,
    all_rows,
    imu_of,
    messages,
    named,
    recording,
    store,
    write_euroc,
    write_hdf5,
    write_mat,
    write_npz,
    write_ros1,
    write_ros2,
    write_rows,
)

Write = Callable[[Path], Path]
ZSTD = b"\x28\xb5\x2f\xfd\x04\x00"


def saved(name: str, data: bytes) -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write


def zipped(name: str, *members: str) -> Write:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in members:
                archive.writestr(member, "x")
        return folder / name

    return write


def cut(write: Write, share: float = 0.6) -> Write:
    """Writes a file without its end."""

    def written(folder: Path) -> Path:
        path = write(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        return path

    return written


def damaged(write: Write) -> Write:
    def written(folder: Path) -> Path:
        path = write(folder)
        data = bytearray(path.read_bytes())
        for place in range(600, len(data) - 60, 211):
            data[place] ^= 0x5A
        path.write_bytes(data)
        return path

    return written


def objects(folder: Path) -> Path:
    np.save(folder / "a.npy", np.array([{"gyro": 1.0}], object), allow_pickle=True)
    return folder / "a.npy"


def objects_npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", gyro=np.array([None], object))
    return folder / "a.npz"


def empty_db3(folder: Path) -> Path:
    with sqlite3.connect(folder / "a.db3") as database:
        database.execute("CREATE TABLE other (id INTEGER)")
    return folder / "a.db3"


def csv(folder: Path, names: list[str], rows: Any = None, stamp: Any = None) -> Path:
    rows = all_rows() if rows is None else rows
    return write_rows(folder / "a.csv", names, recording().stamp if stamp is None else stamp, rows)


def scaled(gyro: float, accel: float) -> Any:
    return all_rows() * np.repeat([gyro, accel, 1.0], 3)


def without_topics(*kept: str) -> list[Sent]:
    return [m for m in messages(store()) if m.topic in kept]


def several(names: list[str]) -> list[Sent]:
    first = [m for m in messages(store()) if m.topic == "/imu/data"]
    return [replace(m, topic=name) for m in first for name in names]


def no_values(folder: Path) -> Path:
    s = store()
    zero = np.zeros(3)
    return write_ros2(folder / "a", [Sent("/imu", IMU, imu_of(s, zero, zero, True), 1)])


def without_metadata(folder: Path) -> Path:
    bag = write_ros2(folder / "a", messages(store()), "SQLITE3", "FILE")
    (bag / "metadata.yaml").unlink()
    return bag


def missing_split(folder: Path) -> Path:
    bag = write_ros2(folder / "a", messages(store()))
    (bag / "a.mcap").unlink()
    return bag


def message_zstd(folder: Path) -> Path:
    bag = write_ros2(folder / "a", messages(store()), "SQLITE3", "MESSAGE")
    return next(bag.glob("*.db3"))


def two_imus(folder: Path) -> Path:
    write_euroc(folder / "a")
    (folder / "a" / "mav0" / "imu0").rename(folder / "a" / "mav0" / "imu1")
    write_euroc(folder / "b")
    (folder / "b" / "mav0" / "imu0").rename(folder / "a" / "mav0" / "imu0")
    return folder / "a"


def bad_pose(folder: Path) -> Path:
    (write_euroc(folder / "a") / "mav0" / "imu0" / "sensor.yaml").write_text("T_BS:\n data: [1, 2]")
    return folder / "a"


def long_field(folder: Path) -> Path:
    path = csv(folder, named("gyro accel"))
    path.write_text(path.read_text() + '"' + 200_000 * "1" + "\n")
    return path


def ragged(folder: Path) -> Path:
    path = csv(folder, ["t", *named()])
    lines = path.read_text().splitlines()
    lines[7] += ",1.0"
    path.write_text("\n".join(lines))
    return path


NAMES = ["timestamp_ns", *named()]
REFUSED: dict[str, tuple[Write, str]] = {
    # What is no recording.
    "pickle": (saved("a.pkl", pickle.dumps({"gyro": [1.0]})), "a pickle.*np.savez"),
    "old pickle": (saved("a", pickle.dumps({"gyro": [1.0]}, 0)), "a pickle"),
    "pickle as npy": (saved("a.npy", pickle.dumps([1.0])), "a pickle"),
    "objects": (objects, "Python objects.*np.savez"),
    "objects in npz": (objects_npz, "Python objects.*np.savez"),
    "PyTorch": (zipped("a.pt", "a/data.pkl", "a/data/0"), "PyTorch.*never read"),
    "xlsx": (zipped("a.xlsx", "[Content_Types].xml", "xl/workbook.xml"), "Excel.*CSV"),
    "xls": (saved("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "Excel.*libreoffice"),
    "ods": (zipped("a.ods", "mimetype", "content.xml"), "OpenDocument.*libreoffice"),
    "xlsx as csv": (zipped("a.csv", "[Content_Types].xml", "xl/workbook.xml"), "Excel.*CSV"),
    "video": (saved("a.mp4", b"\x00\x00\x00\x18ftypmp42"), "a video; name a recording of an IMU"),
    "pcap": (saved("a.pcap", b"\xd4\xc3\xb2\xa1\x02\x00"), "pcap.*with its ROS driver"),
    "pcapng": (saved("a.pcapng", b"\n\r\r\n\x1c\x00"), "pcapng.*with its ROS driver"),
    "rerun": (saved("a.rrd", b"RRF2\x00\x14"), "Rerun; name the log"),
    "trajectory": (
        saved("a.txt", b"# timestamp tx ty tz qx qy qz qw\n" + b"1.0 0 0 0 0 0 0 1\n" * 20),
        "or give the IMU's own recording if this is a trajectory; it has timestamp",
    ),
    "tdms": (saved("a.tdms", b"TDSm\x0e\x00"), "TDMS.*LabVIEW.*CSV"),
    "zip": (zipped("a.zip", "Gyroscope.csv"), "zip archive.*unzip"),
    "cut zip": (cut(zipped("a.zip", "Gyroscope.csv")), "truncated or damaged zip"),
    "gz": (saved("a.csv.gz", gzip.compress(b"t,x,y,z\n")), "gzip.*gunzip"),
    "xz": (saved("a.csv.xz", lzma.compress(b"t,x,y,z\n")), "xz.*unxz"),
    "zstd": (saved("a.db3.zstd", ZSTD), "zstd.*metadata.yaml.*zstd -d"),
    "ULog": (saved("a.ulg", b"ULog\x01\x12\x35\x01" + bytes(40)), "PX4.*ulog2csv"),
    "dataflash": (saved("a.bin", b"\xa3\x95\x80" + bytes(40)), "ArduPilot.*mavlogdump"),
    "Parquet": (saved("a.parquet", b"PAR1" + bytes(40)), "Parquet.*read_parquet"),
    "old bag": (saved("a.bag", b"#ROSBAG V1.2\n" + bytes(40)), "rosbag fix"),
    "tar": (saved("a.tar", bytes(257) + b"ustar\x0000" + bytes(300)), "tar archive"),
    "picture": (saved("a.png", b"\x89PNG\r\n\x1a\n"), "a picture"),
    "web page": (saved("a.bag", b"<!DOCTYPE html><html>"), "web page"),
    "JSON": (saved("a.json", b'{"gyro": [1.0]}'), "JSON.*read_json"),
    "LFS": (saved("a.bag", b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "echo": (saved("a.txt", b"header:\n  stamp:\n    sec: 1\n"), "ros2 topic echo"),
    "text": (saved("a.txt", b"dear diary\n" * 9), "text without a table"),
    "binary": (saved("a.dat", bytes(range(200)) * 9), "of no format that is known"),
    "empty": (saved("a.bag", b""), "is empty"),
    "folder": (lambda p: p, "folder without a recording.*metadata.yaml.*imu0"),
    "folder of logs": (
        lambda p: (write_npz(p / "a.npz"), write_npz(p / "b.npz"))[0].parent,
        "name one log in it: 'a.npz', 'b.npz'",
    ),
    # Bags.
    "cut ROS 1": (cut(lambda p: write_ros1(p / "a.bag", messages(store(1)))), "rosbag reindex"),
    "cut MCAP": (
        cut(lambda p: write_ros2(p / "a", messages(store())) / "a.mcap"),
        "truncated or damaged.*mcap recover",
    ),
    "cut SQLite": (
        cut(lambda p: write_ros2(p / "a", messages(store()), "SQLITE3") / "a.db3"),
        "truncated or damaged.*recover",
    ),
    "damaged ROS 1": (
        damaged(lambda p: write_ros1(p / "a.bag", messages(store(1)))),
        "truncated or damaged",
    ),
    "damaged MCAP": (
        damaged(lambda p: write_ros2(p / "a", messages(store()), "MCAP", "STORAGE") / "a.mcap"),
        "truncated or damaged",
    ),
    "other database": (empty_db3, "database that is no bag.*CSV"),
    "MCAP of others": (
        saved("a.mcap", b"\x89MCAP0\r\n\x01\x10" + bytes(7) + b"\x04\0\0\0ros1\x04\0\0\0test"),
        "an MCAP file without messages of ROS 2",
    ),
    "bag without messages": (
        lambda p: write_ros2(p / "a", [], "SQLITE3", empty="/chatter"),
        "without messages; it declares /chatter",
    ),
    "ROS 1 bag without messages": (lambda p: write_ros1(p / "a.bag", []), "without messages"),
    "bag without IMU": (
        lambda p: write_ros2(p / "a", without_topics("/imu/mag")),
        r"no sensor_msgs/Imu.*it has /imu/mag \(sensor_msgs/MagneticField\)",
    ),
    "two IMUs": (
        lambda p: write_ros2(p / "a", several(["/imu/data", "/imu/data_raw"])),
        "2 IMUs: /imu/data, /imu/data_raw; choose one with --topics.imu",
    ),
    "IMU without values": (no_values, "no angular velocity or no acceleration"),
    "one message": (
        lambda p: write_ros2(p / "a", messages(store())[:1]),
        "1 IMU readings over no time",
    ),
    "compressed, no metadata": (without_metadata, "compressed with zstd.*no metadata.yaml"),
    "split missing": (missing_split, "missing"),
    "compressed messages": (message_zstd, "compressed one by one"),
    "bad metadata": (
        lambda p: (saved("metadata.yaml", b"rosbag2: [")(p), p)[1],
        "ros2 bag reindex",
    ),
    # EuRoC.
    "two IMU folders": (two_imus, "several IMUs; name one"),
    "a field too long": (long_field, "a field of more than 131,072 characters"),
    "thousands or decimals": (
        saved("a.csv", b"time,gx,gy,gz,ax,ay,az\n" + 9 * b'0.1,0,0,0,0,0,"9,810"\n'),
        "number '9,810' in column 'az': is its comma a decimal one",
    ),
    "a heading too long": (saved("a.csv", b"time," * 40_000), "without a table of numbers"),
    "a word too long": (saved("a.csv", b'"' + b"a" * 200_000), "without a table of numbers"),
    "T_BS": (bad_pose, "no pose of 4 x 4"),
    # Tables.
    "no gyroscope": (
        lambda p: csv(p, ["timestamp_ns", *"abc", *named("accel mag")]),
        "no columns that are known as 'gyro'.*--columns.gyro",
    ),
    "no time": (lambda p: csv(p, ["row", *named()]), "--columns.time NAME, or give --rate"),
    "several gyroscopes": (
        lambda p: csv(p, ["timestamp_ns", *named("gyro1 gyro2 acc")]),
        "several columns for 'gyro': gyro1_x gyro1_y gyro1_z; gyro2_x",
    ),
    "no heading": (lambda p: csv(p, []), "--columns.gyro X Y Z; it has 1, 2, 3"),
    "g": (lambda p: csv(p, NAMES, scaled(1.0, 1 / 9.80665)), "as if in g; give --units.accel g"),
    "mg": (lambda p: csv(p, NAMES, scaled(1.0, 1e3 / 9.80665)), "as if in mg"),
    "raw counts": (lambda p: csv(p, NAMES, scaled(1.0, 1700.0)), "as if in raw counts"),
    "no gravity": (lambda p: csv(p, NAMES, scaled(1.0, 0.02)), "as if gravity were taken out"),
    "unknown unit": (
        lambda p: csv(p, ["t [ns]", *(f"{n} [furlong]" for n in named())]),
        "unit 'furlong'.*--units.gyro rad/s or deg/s",
    ),
    "ms since boot": (
        lambda p: csv(p, ["time", *named()], stamp=np.arange(1000) * 5),
        r"step by 5, .*--units.time ms \(200 Hz\)",
    ),
    "both sensors, never at once": (
        lambda p: csv(p, NAMES, all_rows() * np.where(np.arange(9) < 3, np.nan, 1.0)),
        "no row with both gyroscope and accelerometer",
    ),
    "ragged": (ragged, "11 columns in row 7"),
    "MATLAB without IMU": (
        lambda p: write_hdf5(p / "a.mat", True, {"x": np.arange(9.0)}),
        "no columns that are known as 'gyro'.*it has data.x",
    ),
    "HDF5 without arrays": (lambda p: write_hdf5(p / "a.h5", False, {}), "no array of numbers"),
    "cut HDF5": (cut(lambda p: write_hdf5(p / "a.h5")), "truncated or damaged HDF5"),
    "cut MATLAB": (cut(lambda p: write_mat(p / "a.mat")), "damaged or no MATLAB file"),
    "cut npz": (cut(lambda p: write_npz(p / "a.npz")), "truncated, damaged or no .npz"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    write, said = REFUSED[what]
    path = write(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        read_log(path)
    text = str(error.value)
    assert "\n" not in text
    assert "allow_pickle" not in text
    assert str(tmp_path) in text


def asked(**of: Any) -> ReadRequest:
    return ReadRequest(**of)


BAG: Write = lambda p: write_ros2(p / "a", messages(store()))  # noqa: E731
TABLE: Write = lambda p: csv(p, NAMES)  # noqa: E731
UNFIT: dict[str, tuple[Write, ReadRequest, str]] = {
    "no such topic": (BAG, asked(topics=TopicsConfig(imu="/imu/dat")), "did you mean '/imu/data'"),
    "another type": (
        BAG,
        asked(topics=TopicsConfig(imu="/imu/mag")),
        "is sensor_msgs/MagneticField; it should be sensor_msgs/Imu",
    ),
    "a topic that the estimator does not take": (
        BAG,
        asked(topics=TopicsConfig(magnetometer="/imu/mag"), estimator="wheeled"),
        "estimator 'wheeled' takes no --topics.magnetometer",
    ),
    "twice the same": (
        BAG,
        asked(topics=TopicsConfig(wheels="/ground_truth/odometry")),
        "is read as another sensor",
    ),
    "columns of a bag": (BAG, asked(columns=ColumnsConfig(time="t")), "takes no --columns"),
    "topics of a table": (TABLE, asked(topics=TopicsConfig(imu="/imu")), "takes no --topics"),
    "rate of a folder": (lambda p: write_euroc(p / "a"), asked(rate=100.0), "takes no --rate"),
    "legs without a robot": (BAG, asked(estimator="legged"), "needs a robot file"),
    "unknown robot": (BAG, asked(robot="toaster"), "no robot 'toaster'; name differential, skid"),
    "no joints": (BAG, asked(robot="vehicle"), "sensor_msgs/JointState"),
    "no rotation": (BAG, asked(imu_to_body=(1.0, 2.0)), "no rotation; give roll, pitch and yaw"),
    "a mirror": (BAG, asked(imu_to_body=(1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0)), "no rotation"),
    "no such column": (
        TABLE,
        asked(columns=ColumnsConfig(gyro=("p", "q", "r"))),
        "--columns.gyro: .* has no column 'p'",
    ),
    "two columns": (
        TABLE,
        asked(columns=ColumnsConfig(gyro=("gyro_x", "gyro_y"))),
        "should have 3 equally long columns",
    ),
    "units of the log of a run": (
        lambda p: saved("a.s2elog", b"")(p),
        asked(units=UnitsConfig(gyro="deg/s")),
        "takes no --units",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_options_that_do_not_fit_are_refused_in_one_line(what: str, tmp_path: Path) -> None:
    write, request, said = UNFIT[what]
    with pytest.raises(UserError, match=said) as error:
        read_log(write(tmp_path), 0, request)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("package", "write"),
    [
        ("rosbags", BAG),
        ("h5py", lambda p: write_hdf5(p / "a.h5")),
        ("scipy", lambda p: write_mat(p / "a.mat")),
    ],
)
def test_a_missing_library_is_named_with_how_to_get_it(
    package: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    path = write(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"needs {package}.*pip install {package}"):
        read_log(path)


SOUND: dict[str, Write] = {
    "ROS 1": lambda p: write_ros1(p / "a.bag", messages(store(1))[:90]),
    "MCAP": lambda p: write_ros2(p / "a", messages(store())[:90]) / "a.mcap",
    "SQLite": lambda p: write_ros2(p / "a", messages(store())[:90], "SQLITE3") / "a.db3",
    "metadata": lambda p: write_ros2(p / "a", messages(store())[:90]) / "metadata.yaml",
    "HDF5": lambda p: write_hdf5(p / "a.h5"),
    "MATLAB 7.3": lambda p: write_hdf5(p / "a.mat", matlab=True),
    "npz": lambda p: write_npz(p / "a.npz"),
}


@pytest.mark.parametrize("form", SOUND)
def test_whatever_bytes_are_damaged_the_answer_is_one_line(form: str, tmp_path: Path) -> None:
    path, rng = SOUND[form](tmp_path), np.random.default_rng(0)
    sound = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(25):
        data = sound[: rng.integers(len(sound))] if rng.random() < 0.3 else sound
        data = data.copy()
        if len(data):
            places = rng.integers(len(data), size=rng.integers(1, 20))
            data[places] = rng.integers(256, size=len(places))
        path.write_bytes(data.tobytes())
        said = ""
        try:
            read_log(path.parent if form == "metadata" else path)
        except UserError as error:
            said = str(error)
        assert "\n" not in said
