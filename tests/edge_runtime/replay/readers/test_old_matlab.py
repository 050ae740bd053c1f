"""Damaged MATLAB files, of which some crash the library that reads them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.replay.readers.tables.old_matlab import read_old_matlab

HEADER = 128  # bytes
scipy_io = pytest.importorskip("scipy.io")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "log.mat"
    values = {
        "time": np.arange(50.0),
        "gyro": np.zeros((50, 3)),
        "s": {"a": np.ones((5, 3)), "name": "imu"},
        "file": np.arange(3),
    }
    scipy_io.savemat(path, values)
    return path


def test_arrays_come_by_name(sound: Path) -> None:
    found = read_old_matlab(sound)
    assert set(found) == {"time", "gyro", "s.a", "s.name", "file"}
    assert found["gyro"].shape == (50, 3)
    assert found["file"].tolist() == [0, 1, 2]
    assert str(found["s.name"]) == "imu"


@pytest.mark.slow
def test_a_damaged_file_is_refused_in_one_line(sound: Path) -> None:
    """Found by trial: in this process nearly each of them ends the interpreter (SIGSEGV, SIGBUS).

    What the library makes of a wrong size depends on its memory, so that now and then it reads one.
    """
    content, said = sound.read_bytes(), []
    for seed in (94, 117, 170, 318, 491, 660):
        rng, damaged = np.random.default_rng(seed), bytearray(content)
        for _ in range(rng.integers(1, 4)):
            damaged[int(rng.integers(HEADER, len(damaged)))] = int(rng.integers(256))
        sound.write_bytes(damaged)
        try:
            read_old_matlab(sound)
        except UserError as error:
            said.append(str(error))
    assert said
    for line in said:
        assert re.fullmatch(r"'.+log\.mat' is damaged or no MATLAB file: .+; save it again.+", line)


def test_a_program_from_stdin_reads_it_too(sound: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from edge_runtime.replay.readers.tables.old_matlab import read_old_matlab\n"
        f"print(read_old_matlab(Path({str(sound)!r}))['file'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[0 1 2]\n"


def test_a_file_cut_short_is_refused_in_one_line(sound: Path) -> None:
    sound.write_bytes(sound.read_bytes()[:-40])
    with pytest.raises(UserError, match="damaged"):
        read_old_matlab(sound)
