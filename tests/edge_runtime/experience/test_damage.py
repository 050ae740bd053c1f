"""No fault of the disk and no power cut gives rows that were not written, or takes them unseen."""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.experience.identity import IDENTITY_FILE
from edge_runtime.experience.layout import Rows
from edge_runtime.experience.reader import ExperienceReader, segment_path, segment_paths
from edge_runtime.experience.segment import split
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.experience.wrapped_keys import KEYS_FILE
from tests.edge_runtime.experience.rows import KEY, LAYOUT, SMALLEST, joined, rows_of
from tests.edge_runtime.experience.test_store import used

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of two closed segments, of three records and of one."""
    for first, count in ((0, 3), (3, 1)):
        with ExperienceStore(tmp_path, KEY, LAYOUT, record_rows=1) as store:
            store.append(rows_of(LAYOUT, first, count))
    return tmp_path


def read(folder: Path) -> tuple[Rows, list[str]]:
    """The rows and the damage; a refusal is damage too."""
    try:
        reader = ExperienceReader(folder, KEY, "leg")
        return joined(reader.read()), reader.damage
    except UserError as error:
        return joined([]), [str(error)]


def test_each_flipped_byte_is_found(folder: Path) -> None:
    """In any file; but not in the record that says that a segment was closed: it holds no row."""
    whole = rows_of(LAYOUT, 0, 4)
    unseen: list[tuple[str, int]] = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for at in range(len(content)):
            changed = bytearray(content)
            changed[at] ^= 1 << at % 8
            path.write_bytes(changed)
            rows, damage = read(folder)
            assert np.isin(rows, whole).all(), "no row is there that was not written"
            if not damage:
                assert np.array_equal(rows, whole)
                unseen.append((path.name, len(content) - at))
        path.write_bytes(content)
    ends = {path.name for path in segment_paths(folder).values()}
    space = {left for name, left in unseen if name == IDENTITY_FILE}
    assert len(space) <= 14, "white space of JSON alone"
    assert {(name, left) for name, left in unseen if name != IDENTITY_FILE} == {
        (name, left) for name in ends for left in range(1, 37)
    }


def test_a_segment_that_is_cut_off_anywhere_gives_the_rows_before(folder: Path) -> None:
    path = segment_path(folder, 1)
    content = path.read_bytes()
    start = len(split(content)[0])
    size = (len(content) - start - 36) // 3
    for end in range(start, len(content)):
        path.write_bytes(content[:end])
        rows, damage = read(folder)
        count = min(3, (end - start) // size)
        assert damage == []
        assert rows["number"].tolist() == [*range(count), 3]


def test_what_was_moved_repeated_or_taken_away_is_named(folder: Path, tmp_path: Path) -> None:
    path = segment_path(folder, 1)
    content = path.read_bytes()
    header, rest = split(content)
    size = (len(rest) - 36) // 3
    a, b, c, end = rest[:size], rest[size : 2 * size], rest[2 * size : 3 * size], rest[3 * size :]
    for records, numbers, said in (
        ((a, c, end), [0, 2], "record 1 is damaged or missing"),
        ((c, end), [2], "records 0 to 1 are damaged or missing"),
        ((a, b, b, c, end), [0, 1, 2], "record 1 stands there again"),
        ((b, a, c, end), [1, 2], "record 0 is damaged or missing"),
        ((a, b"junk", b, c, end), [0, 1, 2], "4 bytes before record 1 are none of it"),
        ((a, b, bytes(size), end), [0, 1], "record 2 is damaged or missing"),
    ):
        path.write_bytes(header + b"".join(records))
        rows, damage = read(folder)
        assert rows["number"].tolist() == [*numbers, 3]
        assert damage[0] == f"segment 1: {said}"
    path.unlink()
    assert read(folder)[1] == ["segment 1 is missing"]
    shutil.copy(segment_path(folder, 2), path)  # under another number
    assert read(folder)[1] == ["segment 1: its header or its key was altered"]
    path.write_bytes(content)
    (folder / KEYS_FILE).unlink()
    assert read(folder)[1] == [f"segment {number}: its key was destroyed" for number in (1, 2)]


def test_all_synced_rows_survive_a_kill(tmp_path: Path) -> None:
    """At random moments, again and again in the same store."""
    rng, said = random.Random(7), 0
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.edge_runtime.experience.rows", tmp_path],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert writer.stdout is not None
        assert select.select([writer.stdout], [], [], 20)[0], "it writes"
        select.select([], [], [], rng.random() * 0.05)
        writer.send_signal(signal.SIGKILL)
        lines = writer.communicate()[0].split(b"\n")
        said = int(lines[-2])
        rows, damage = read(tmp_path)
        assert len(rows) >= said
        assert np.array_equal(rows, rows_of(LAYOUT, 0, len(rows)))
        assert damage == []
        used(tmp_path)  # no nonce twice
    assert len(segment_paths(tmp_path)) == 4


class PowerCut(BaseException):
    """Ends the program at once."""


CALLS = ("write", "pwrite", "fsync", "fdatasync", "replace", "open", "unlink", "ftruncate")


@pytest.mark.parametrize("lost", [False, True], ids=["written", "lost"])
@pytest.mark.parametrize("calls", range(1, 150, 4))
def test_after_a_power_cut_at_any_call_all_synced_rows_are_there(
    calls: int, lost: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a segment is full and the oldest is removed; a write may be made half.

    What was not written through to the disk is there all the same, or lost.
    """
    left, synced = calls, 0
    sizes: dict[str, int] = {}  # written through, by file

    def counted(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if "write" in name and left == -1:
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
                raise PowerCut
            if "sync" in name:
                file = arguments[0]
                sizes[os.readlink(f"/proc/self/fd/{file}")] = os.fstat(file).st_size
            return real(*arguments, **options)

        return call

    stores = []
    with suppress(PowerCut), monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(getattr(os, name), name))
        stores.append(ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=SMALLEST))
        for first in range(0, 2000, 50):
            stores[0].append(rows_of(LAYOUT, first, 25))
            stores[0].append(rows_of(LAYOUT, first + 25, 25))  # may begin another segment
            stores[0].sync()
            synced = first + 50
    for store in stores:
        store._lock.close()
    for path in segment_paths(tmp_path).values() if lost else ():
        os.truncate(path, min(sizes.get(str(path), 0), path.stat().st_size))
    with ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=SMALLEST) as store:
        rows = joined(store.read())
        assert store.damage == []
        end = int(rows["number"].max(initial=-1)) + 1
        assert end - synced in (0, 25, 50), "a record is there as a whole or not at all"
        assert np.array_equal(rows, rows_of(LAYOUT, end - len(rows), len(rows)))
        assert len(rows) >= min(synced, 200), "the oldest alone are missing"
        store.append(rows_of(LAYOUT, end, 50))
        assert joined(store.read())["number"][-1] == end + 49
    used(tmp_path)
