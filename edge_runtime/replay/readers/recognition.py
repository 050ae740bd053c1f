"""Recognises what a file or folder is by its content, and says how to convert what is not read."""

import re
import zipfile
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.files import check_file
from edge_runtime.recording.block_file import is_block_file

RUN_SUFFIX = ".s2elog"  # of the log of a run, by custom
METADATA = "metadata.yaml"
_HEAD = 4096  # bytes by which a file is recognised
_SHOWN = 5  # names that a message lists
_HDF5 = b"\x89HDF\r\n\x1a\n"
_TO_CSV = "convert it to CSV"


class Format(Enum):
    """Names what can be read, as messages call it."""

    RUN = "the log of a run"
    NPZ = "an .npz file"
    NPY = "an .npy file"
    TEXT = "a table as text"
    MATLAB = "a MATLAB file"
    HDF5 = "an HDF5 file"
    ROS1 = "a ROS 1 bag"
    ROS2 = "a ROS 2 bag"
    EUROC = "a EuRoC folder"


_READ = (
    (0, b"\x93NUMPY", Format.NPY),
    (0, b"#ROSBAG V2", Format.ROS1),
    (0, b"\x89MCAP0\r\n", Format.ROS2),
    (0, b"SQLite format 3\x00", Format.ROS2),
    (0, b"MATLAB 5.0 MAT-file", Format.MATLAB),
    (0, b"MATLAB 7.3 MAT-file", Format.HDF5),
    (0, _HDF5, Format.HDF5),
    (512, _HDF5, Format.HDF5),
)
_PICKLE = (
    "a pickle, which can run any program when it is opened and is never read; save plain numbers "
    "instead: np.savez('log.npz', time=..., gyro=..., accel=...)"
)
_PANDAS = "python -c \"import pandas; pandas.{}('{}').to_csv('log.csv', index=False)\""
_FROM_PACKETS = "record the sensor's topics with its ROS driver, which can replay it"
# Where, what stands there, what it is, and how to convert FILE.
_CONVERTED = (
    (0, b"ULog\x01\x12\x35", "a ULog of PX4", "convert it with `ulog2csv FILE` (pip install "
     "pyulog), then read its sensor_combined_0.csv with --imu-to-body 180 0 0"),
    (0, b"\xa3\x95\x80", "a dataflash log of ArduPilot", "convert it with `mavlogdump.py --types "
     "IMU --format csv FILE > imu.csv` (pip install pymavlink)"),
    (0, b"#ROSBAG V1", "a bag of a ROS before 1.0", "convert it with `rosbag fix FILE new.bag`"),
    (0, b"\x1f\x8b", "compressed with gzip", "unpack it with `gunzip -k FILE`"),
    (0, b"BZh", "compressed with bzip2", "unpack it with `bunzip2 -k FILE`"),
    (0, b"\xfd7zXZ\x00", "compressed with xz", "unpack it with `unxz -k FILE`"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd",
     "name the bag's folder with its metadata.yaml, or unpack it with `zstd -d FILE`"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it with `lz4 -d FILE`"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with `7z x FILE`"),
    (0, b"Rar!", "a RAR archive", "unpack it with `unrar x FILE`"),
    (257, b"ustar", "a tar archive", "unpack it with `tar xf FILE`"),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel file (.xls) or the like",
     f"{_TO_CSV} by Save As, or with `libreoffice --headless --convert-to csv FILE`"),
    (0, b"PAR1", "a Parquet file", f"{_TO_CSV}: {_PANDAS.format('read_parquet', 'FILE')}"),
    (0, b"ARROW1", "a Feather file", f"{_TO_CSV}: {_PANDAS.format('read_feather', 'FILE')}"),
    (0, b"\x7fELF", "a program", "name a recording"),
    (0, b"\x89PNG", "a picture", "name a recording"),
    (0, b"\xff\xd8\xff", "a picture", "name a recording"),
    (0, b"%PDF", "a PDF", "name a recording"),
    (4, b"ftyp", "a video", "name a recording of an IMU; a camera's is often in a file beside it"),
    (0, b"\xd4\xc3\xb2\xa1", "a capture of a network (pcap)", _FROM_PACKETS),
    (0, b"\n\r\r\n", "a capture of a network (pcapng)", _FROM_PACKETS),
    (0, b"RRF", "a recording of Rerun", "name the log that it was made from"),
    (0, b"TDSm", "a TDMS file of LabVIEW", f"{_TO_CSV}: python -c \"import nptdms; nptdms.TdmsFile("
     "'FILE').as_dataframe(time_index=True).to_csv('log.csv')\""),
    (0, b"version https://git-lfs", "a pointer of Git LFS instead of the file itself",
     "get it with `git lfs pull`"),
)  # fmt: skip
_TEXTS = (
    (b"<", "a web page or XML", "a download may have gone wrong; name a recording"),
    (b"{", "JSON", f"{_TO_CSV}: {_PANDAS.format('read_json', 'FILE')}"),
    (b"[", "JSON", f"{_TO_CSV}: {_PANDAS.format('read_json', 'FILE')}"),
    (b"header:", "what `ros2 topic echo` prints",
     "record with `ros2 bag record`, or convert the bag that it was printed from"),
    (b"rosbag2_bagfile_information:", "a bag's metadata", "name the folder that it lies in"),
)  # fmt: skip


def recognise(path: Path) -> tuple[Format, Path]:
    """Returns what a recording is, and where it lies: for a folder that may be one within it.

    Raises:
        UserError: there is nothing, or something that is not read.
    """
    if path.is_dir():
        return _recognise_folder(path)
    check_file(path, "log")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise UserError(f"there is no '{path}'") from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror}") from None
    if path.suffix == RUN_SUFFIX or is_block_file(path):
        return Format.RUN, path
    if not head:
        raise UserError(f"'{path}' is empty; record again, or copy it again")
    for at, magic, form in _READ:
        if head[at:].startswith(magic):
            return form, path
    for at, magic, what, way in _CONVERTED:
        if head[at:].startswith(magic):
            raise _refusal(path, what, way)
    if head.startswith(b"PK"):
        return _recognise_zip(path), path
    if _is_pickle(path, head):
        raise UserError(f"'{path}' is {_PICKLE}")
    if path.name == "data.csv" and (path.parent / "sensor.yaml").exists():
        return Format.EUROC, path.parent
    if path.suffix == ".mat":  # version 4 begins with its first matrix
        return Format.MATLAB, path
    return _recognise_text(path, head), path


def _refusal(path: Path, what: str, way: str) -> UserError:
    return UserError(f"'{path}' is {what}; {way.replace('FILE', str(path))}")


def _is_pickle(path: Path, head: bytes) -> bool:
    binary = head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5
    text = re.match(rb"\(?[cdl](p0|numpy|copy_reg|builtins|collections|pandas|__main__)", head)
    return binary or text is not None or path.suffix in (".pkl", ".pickle")


def _recognise_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        if path.suffix == ".npz":
            return Format.NPZ  # whose reader says what is damaged
        raise _refusal(path, "a truncated or damaged zip archive", "copy it again") from None
    if any(name.endswith(".npy") for name in names):
        return Format.NPZ
    if any(name.startswith("xl/") for name in names):
        raise _refusal(path, "an Excel file (.xlsx)", f"{_TO_CSV} by Save As, or with "
                       f"{_PANDAS.format('read_excel', 'FILE')}")  # fmt: skip
    if "mimetype" in names and "content.xml" in names:
        raise _refusal(path, "an OpenDocument file (.ods)", f"{_TO_CSV} by Save As, or with "
                       "`libreoffice --headless --convert-to csv FILE`")  # fmt: skip
    if any(name.endswith("data.pkl") for name in names):
        raise UserError(f"'{path}' is a PyTorch file, {_PICKLE}")
    if not names and path.suffix == ".npz":
        return Format.NPZ
    raise _refusal(path, "a zip archive", "unpack it with `unzip FILE` and name what it holds")


def _recognise_text(path: Path, head: bytes) -> Format:
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        if b"\x00" in head or sum(byte < 9 or 13 < byte < 32 for byte in head) > 1:
            raise UserError(
                f"'{path}' is no log that can be replayed: its content is of no format that is "
                f"known here; {KNOWN}"
            )
        begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        for start, what, way in _TEXTS:
            if begin.startswith(start):
                raise _refusal(path, what, way)
    return Format.TEXT


KNOWN = (
    "what is read: bags of ROS 1 and 2, EuRoC folders, CSV, MATLAB, HDF5, .npz and .npy, the log "
    "of a run and an estimator's own, walks of Cassie, drives of comma2k19"
)


def _recognise_folder(path: Path) -> tuple[Format, Path]:
    try:
        found = sorted(path.iterdir())
        bags = [e for e in found if e.is_dir() and any(map(is_bag_file, e.iterdir()))]
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror}") from None
    inside = {entry.name for entry in found}
    if METADATA in inside or any(map(is_bag_file, found)):
        return Format.ROS2, path
    for folder in (path / "mav0", path):
        if list(folder.glob("imu*/data.csv")):
            return Format.EUROC, folder
    if "data.csv" in inside and ("sensor.yaml" in inside or path.name.startswith("imu")):
        return Format.EUROC, path
    files = [e for e in found if e.suffix in (".bag", RUN_SUFFIX, ".csv", ".mat", ".npz")]
    if len(bags) == 1 and not files:
        return Format.ROS2, bags[0]
    if recordings := [*bags, *files]:
        raise UserError(f"'{path}' is a folder; name one log in it: {shown(recordings)}")
    raise UserError(
        f"'{path}' is a folder without a recording; name one log in it, a bag's folder with its "
        "metadata.yaml, or a EuRoC folder with mav0/imu0/data.csv"
    )


def is_bag_file(path: Path) -> bool:
    """Returns whether a file is named as one of a ROS 2 bag, finished or not, compressed or not."""
    return re.search(r"\.(mcap|db3)(\.\w+)?$", path.name) is not None


def shown(names: Sequence[object]) -> str:
    """Returns names for a message, the first ones of many."""
    listed = ", ".join(f"'{getattr(name, 'name', name)}'" for name in names[:_SHOWN])
    return listed if len(names) <= _SHOWN else f"{listed} and {len(names) - _SHOWN} more"
