"""Reads recordings in the folders of EuRoC, which TUM VI and others have too.

Burri et al., "The EuRoC micro aerial vehicle datasets", IJRR 35(10), 2016. `imu0/data.csv` has ns,
rad/s and m/s^2; `imu0/sensor.yaml` where the sensor sits in the body (`T_BS`); the truth is in
`state_groundtruth_estimate0`, or else in a motion capture's folder. Its rotations go from the
sensor it is of to a world whose z is up and whose heading is arbitrary.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.files import read_file
from edge_runtime.fusion.lie import matrix_to_quaternion
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.assembly import Truth
from edge_runtime.replay.readers.request import ReadRequest, rotation_of
from edge_runtime.replay.readers.tables.columns import Columns, read_columns
from edge_runtime.replay.readers.tables.text import read_text
from edge_runtime.rotations import multiply, rotation_matrix
from edge_runtime.signals import Float

_DATA, _SENSOR = "data.csv", "sensor.yaml"
_TRUTHS = ("state_groundtruth_estimate0", "mocap0", "vicon0", "gt", "groundtruth")
_IMU = ("time [ns]", *(f"{s} {a}" for s in ("gyro", "accel") for a in "xyz"))
_LARGEST = 1_000_000  # bytes of a sensor.yaml
_POSE = re.compile(r"T_BS:.*?data:\s*\[([^\]]*)\]", re.DOTALL)


def read_euroc(folder: Path, request: ReadRequest) -> Log:
    """Reads the IMU of a recording, in the axes of the body, and the reference if it is there.

    Args:
        folder: with `imu0`, such as `mav0`; or `imu0` itself.
        request: the rotation, if it is not that of sensor.yaml.

    Raises:
        UserError: it cannot be read, or there are several IMUs.
    """
    imu = _imu_folder(folder)
    columns, notes = read_text(imu / _DATA)
    if len(columns) < len(_IMU):
        raise UserError(
            f"'{imu / _DATA}' has {len(columns)} columns; an IMU of EuRoC has {len(_IMU)}: time in "
            "ns, gyroscope and accelerometer"
        )
    named: Columns = dict(zip(_IMU, columns.values()))
    if not request.imu_to_body:
        rotation, _ = _pose(imu / _SENSOR)
        request = replace(request, imu_to_body=tuple(rotation.ravel().tolist()))
    truth = _truth(imu.parent)
    log = read_columns(imu, named, request, notes, truth)
    root = imu.parent.resolve()
    return replace(log, name=(root.parent if root.name == "mav0" else root).name)


def _imu_folder(folder: Path) -> Path:
    if (folder / _DATA).exists():
        return folder
    found = sorted(path.parent for path in folder.glob(f"imu*/{_DATA}"))
    if len(found) > 1:
        named = ", ".join(f"'{path}'" for path in found)
        raise UserError(f"'{folder}' has several IMUs; name one: {named}")
    return found[0]


def _pose(path: Path) -> tuple[Float, Float]:
    """Returns rotation, (3, 3), and place, (3,) m, of a sensor in the body; none of its own if its
    sensor.yaml is not there.

    Raises:
        UserError: sensor.yaml has a `T_BS` that is none.
    """
    if not path.exists():
        return np.eye(3), np.zeros(3)
    text = read_file(path, "sensor.yaml", _LARGEST).decode("utf-8", "replace")
    found = _POSE.search(text)
    if found is None:
        return np.eye(3), np.zeros(3)
    try:
        pose = np.array([float(number) for number in found[1].split(",")]).reshape(4, 4)
        return rotation_of(pose[:3, :3].ravel().tolist()), pose[:3, 3]
    except (ValueError, UserError):
        raise UserError(
            f"T_BS in '{path}' is no pose of 4 x 4 numbers; mend it, or give --imu-to-body"
        ) from None


def _truth(root: Path) -> Truth | None:
    """Returns the poses of the body."""
    folder = next((root / name for name in _TRUTHS if (root / name / _DATA).exists()), None)
    if folder is None:
        return None
    columns, _ = read_text(folder / _DATA)
    values = list(columns.values())
    if len(values) < 8 or any(column.dtype.kind not in "iuf" for column in values):
        raise UserError(
            f"'{folder / _DATA}' has {len(values)} columns, or text in one; a reference of EuRoC "
            "has the time in ns, the position in m and the quaternion w, x, y, z"
        )
    numbers = np.stack([np.asarray(column, np.float64) for column in values[1:]], axis=1)
    rotation, place = _pose(folder / _SENSOR)
    inverse = matrix_to_quaternion(np.ascontiguousarray(rotation.T))
    attitude = multiply(numbers[:, 3:7], np.broadcast_to(inverse, (len(numbers), 4)))
    position = numbers[:, :3] - rotation_matrix(attitude) @ place
    velocity = numbers[:, 7:10]
    if velocity.shape[1] != 3:
        velocity = np.full_like(position, np.nan)
    return Truth(values[0].astype(np.int64), attitude, velocity, position)
