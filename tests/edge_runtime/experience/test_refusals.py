"""A store that does not fit is refused in one line, and a disk that is full stops nobody."""

import dataclasses
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.experience.key import master_key
from edge_runtime.experience.reader import ExperienceReader, segment_paths
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.experience.wrapped_keys import KEYS_FILE
from edge_runtime.keys.key_file import new_key, write_key
from tests.edge_runtime.experience.rows import KEY, LAYOUT, OTHER, SMALLEST, joined, rows_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with some rows."""
    with ExperienceStore(tmp_path / "store", KEY, LAYOUT, robot_id="leg 7") as store:
        store.append(rows_of(LAYOUT, 0, 20))
    return tmp_path / "store"


def refused(*arguments: object, **options: object) -> str:
    with pytest.raises(UserError) as found:
        ExperienceStore(*arguments, **options).close()  # type: ignore[arg-type]
    assert "\n" not in str(found.value)
    return str(found.value)


def test_the_store_of_another_robot_is_refused(folder: Path) -> None:
    said = refused(folder, KEY, LAYOUT, robot_id="leg 8")
    assert "holds the experience of robot 'leg 7', not of 'leg 8'" in said
    with pytest.raises(UserError, match="'leg 7', not of 'leg 8'"):
        ExperienceReader(folder, KEY, "leg 8")


def test_a_segment_of_another_robot_is_refused(folder: Path, tmp_path: Path) -> None:
    """Even with its key, where two robots have the same master key."""
    other = tmp_path / "other"
    with ExperienceStore(other, KEY, LAYOUT, robot_id="leg 8") as store:
        store.append(rows_of(LAYOUT, 0, 20))
    for path in (segment_paths(other)[1], other / KEYS_FILE):
        shutil.copy(path, folder)
    with pytest.raises(UserError, match="is of robot 'leg 8', not of 'leg 7'"):
        list(ExperienceReader(folder, KEY).read())


def test_another_key_is_refused(folder: Path) -> None:
    assert "the key is not that of" in refused(folder, new_key(), LAYOUT, robot_id="leg 7")
    assert "the key has 16 bytes" in refused(folder, KEY[:16], LAYOUT, robot_id="leg 7")
    with ExperienceStore(folder, KEY, LAYOUT, robot_id="leg 7") as store:
        assert len(joined(store.read())) == 20, "a refused key has changed nothing"


def test_rows_of_another_layout_are_refused(folder: Path) -> None:
    with ExperienceStore(folder, KEY, LAYOUT, robot_id="leg 7") as store:
        with pytest.raises(UserError, match="not of the store's layout"):
            store.append(rows_of(OTHER, 0, 3))
        assert len(joined(store.read())) == 20


def test_another_layout_of_the_same_policy_is_refused(folder: Path) -> None:
    changed = dataclasses.replace(LAYOUT, reward=("energy", "speed"))
    store = ExperienceStore(folder, KEY, changed, robot_id="leg 7")
    with store, pytest.raises(UserError, match=r"another layout \(reward: speed, energy\)"):
        list(store.read())


def test_a_second_writer_and_an_unwritable_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    with ExperienceStore(folder, KEY, LAYOUT, robot_id="leg 7"):
        assert "another process writes" in refused(folder, KEY, LAYOUT, robot_id="leg 7")
    (tmp_path / "file").touch()
    assert "cannot write" in refused(tmp_path / "file" / "store", KEY, LAYOUT)
    assert "cannot write" in refused(Path("/proc/store"), KEY, LAYOUT)


def test_a_limit_that_is_too_small_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, KEY, LAYOUT, limit_bytes=10_000)
    assert "limit_bytes is 10000" in said
    least = int(said.split()[-1])
    assert least <= SMALLEST
    refused(tmp_path, KEY, LAYOUT, limit_bytes=least - 8)
    ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=least).close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False)
    if done.returncode:
        pytest.skip("no disk may be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_said_once_and_the_rows_are_counted(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = small_disk / "store"
    with caplog.at_level(logging.WARNING), ExperienceStore(folder, KEY, LAYOUT) as store:
        for first in range(0, 4000, 20):
            store.append(rows_of(LAYOUT, first, 20))
            store.sync()
        dropped, found = store.dropped, joined(store.read())
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "No space left on device; make room" in caplog.text
        assert store.failure == "No space left on device"
        assert 0 < dropped < 4000
        assert store.damage == []
        assert np.array_equal(found, rows_of(LAYOUT, 0, len(found))), "the first rows are whole"
        assert len(found) + dropped == 4000
        segment_paths(folder)[1].unlink()  # somebody makes room
        store.append(rows_of(LAYOUT, 4000, 20))
        assert store.dropped == dropped
        assert joined(store.read())["number"].tolist() == list(range(4000, 4020))


LIMITED = """
import sys
from pathlib import Path
from tests.edge_runtime.experience.rows import KEY, LAYOUT, joined, rows_of
from edge_runtime.experience.store import ExperienceStore
with ExperienceStore(Path(sys.argv[1]), KEY, LAYOUT) as store:
    for first in range(0, 2000, 20):
        store.append(rows_of(LAYOUT, first, 20))
    print(store.dropped, len(joined(store.read())), len(store.damage))
"""


def test_a_file_that_may_grow_no_more_is_left_for_a_new_one(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "store"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    dropped, found, damaged = map(int, done.stdout.split())
    assert (found + dropped, damaged) == (2000, 0), done.stderr
    assert 0 < dropped < 200, "one block for each file that was full"


def test_a_key_comes_from_a_private_file(tmp_path: Path) -> None:
    key = new_key()
    write_key(tmp_path / "k", key)
    assert master_key(tmp_path / "k") == key
    (tmp_path / "k").chmod(0o644)
    with pytest.raises(UserError, match="others may read key"):
        master_key(tmp_path / "k")


def test_a_key_comes_as_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose mode shows its access list, as systemd leaves it where the service has a user."""
    key = new_key()
    write_key(tmp_path / "experience", key)
    (tmp_path / "experience").chmod(0o440)
    with pytest.raises(UserError, match="CREDENTIALS_DIRECTORY is not set"):
        master_key(credential="experience")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert master_key(credential="experience") == key
    for name, message in (("../x", "no name of a credential"), ("other", "cannot read key")):
        with pytest.raises(UserError, match=message):
            master_key(credential=name)
    with pytest.raises(UserError, match="the key is missing"):
        master_key()
    with pytest.raises(UserError, match="given twice"):
        master_key(tmp_path / "experience", "experience")
