"""Chooses the reader of a file or folder by what it holds."""

from pathlib import Path

import numpy as np

from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.arrays import load_arrays
from edge_runtime.replay.readers.bags.read_bag import read_bag
from edge_runtime.replay.readers.broad import is_broad, read_broad
from edge_runtime.replay.readers.cassie import is_cassie, read_cassie
from edge_runtime.replay.readers.comma2k19 import is_comma2k19, read_comma2k19
from edge_runtime.replay.readers.estimator_log import is_estimator_log, read_estimator_log
from edge_runtime.replay.readers.recognition import Format, recognise
from edge_runtime.replay.readers.request import NOTHING, ReadRequest
from edge_runtime.replay.readers.robot_run import read_run
from edge_runtime.replay.readers.tables.columns import read_columns
from edge_runtime.replay.readers.tables.euroc import read_euroc
from edge_runtime.replay.readers.tables.matlab import read_matlab
from edge_runtime.replay.readers.tables.text import read_text

_BAG = ("robot", "imu_to_body", "topics", "units", "skip")
_FOLDER = ("imu_to_body", "units", "skip")
_TABLE = ("imu_to_body", "rate", "columns", "units", "skip")


def read_log(path: Path, seed: int = 0, request: ReadRequest = NOTHING) -> Log:
    """Reads a recording of any known format.

    Args:
        path: the file, or the folder of a bag or of EuRoC.
        seed: the seed of the noise that is added to one without.
        request: what the recording does not say itself.

    Raises:
        UserError: it is not there, damaged, of an unknown format, or lacks what an estimator needs;
            or the request has options for which the format has no use.
    """
    form, path = recognise(path)
    with np.errstate(over="ignore", invalid="ignore"):  # of a damaged file's numbers
        return _read(form, path, seed, request)


def _read(form: Format, path: Path, seed: int, request: ReadRequest) -> Log:
    if form is Format.RUN:
        request.refuse_unused(path, form.value, ())
        return read_run(path)
    if form in (Format.ROS1, Format.ROS2):
        request.refuse_unused(path, form.value, _BAG)
        return read_bag(path, form, request)
    if form is Format.EUROC:
        request.refuse_unused(path, form.value, _FOLDER)
        return read_euroc(path, request)
    return _read_table(form, path, seed, request)


def _read_table(form: Format, path: Path, seed: int, request: ReadRequest) -> Log:
    """Reads what has named columns: one of the known recordings, or any."""
    if form is Format.TEXT:
        request.refuse_unused(path, form.value, _TABLE)
        columns, notes = read_text(path)
        return read_columns(path, columns, request, notes)
    numpys = form in (Format.NPZ, Format.NPY)
    arrays = load_arrays(path) if numpys else read_matlab(path, form)
    if numpys and is_estimator_log(arrays):
        request.refuse_unused(path, "a log of sim2edge", ())
        return read_estimator_log(path, arrays)
    if is_cassie(arrays):
        request.refuse_unused(path, "a walk of Cassie", ())
        return read_cassie(path, seed=seed)
    if is_comma2k19(arrays):
        request.refuse_unused(path, "a drive of comma2k19", ())
        return read_comma2k19(path)
    if is_broad(arrays):
        request.refuse_unused(path, "a trial of BROAD", ())
        return read_broad(path, arrays)
    request.refuse_unused(path, form.value, _TABLE)
    return read_columns(path, arrays, request)
