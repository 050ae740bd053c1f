"""Chooses the reader of a file by what it holds."""

from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.files import check_file
from edge_runtime.recording.block_file import is_block_file
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.arrays import load_arrays
from edge_runtime.replay.readers.broad import read_broad
from edge_runtime.replay.readers.cassie import is_cassie, read_cassie
from edge_runtime.replay.readers.comma2k19 import read_comma2k19
from edge_runtime.replay.readers.estimator_log import is_estimator_log, read_estimator_log
from edge_runtime.replay.readers.robot_run import read_run

SUFFIX = ".s2elog"  # of the log of a run, by custom


def read_log(path: Path, seed: int = 0) -> Log:
    """Reads a log of any known format.

    Args:
        path: the file.
        seed: of the noise that is added to one without.

    Raises:
        UserError: it is not there, damaged, or of an unknown format.
    """
    if not path.is_dir():  # of which the readers know more
        check_file(path, "log")
    if path.suffix == ".mat":
        return read_broad(path)
    if path.suffix == SUFFIX or is_block_file(path):
        return read_run(path)
    data = load_arrays(path)
    if is_estimator_log(data):
        return read_estimator_log(path)
    if is_cassie(data):
        return read_cassie(path, seed=seed)
    if "wheel_speed_t" in data:
        return read_comma2k19(path)
    raise UserError(
        f"'{path}' is no log that can be replayed; it should be one of sim2edge's own, the log of "
        "a run, a trial of BROAD (.mat), a walk of Cassie or a drive of comma2k19"
    )
