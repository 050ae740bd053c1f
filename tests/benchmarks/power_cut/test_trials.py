"""A disk after a power cut: what is synced survives, and who forgets to sync is found out."""

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from power_cut.disk import Acknowledged, Disk, Name, Sync, Trace, Truncate, Write
from power_cut.experience import STORE_OPERATIONS
from power_cut.operations import OPERATIONS
from power_cut.recorder import recorded
from power_cut.trials import Operation, cut_power

from edge_runtime.files import make_folder, sync_folder, write_file

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="pathlib kept os's functions")
OLD, NEW = b"old " * 300, b"new " * 400


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def busy(folder: Path) -> None:
    """Does what programs do to files, in all the ways that are recorded."""
    (folder / "a").mkdir()
    (folder / "a" / "text").write_text("one\ntwo\n")
    with (folder / "a" / "text").open("a", encoding="utf-8") as file:
        file.write("three\n")
        file.flush()
        os.fsync(file.fileno())
    with (folder / "before").open("r+b") as file:
        file.seek(3)
        file.write(b"XYZ")
        file.truncate(9)
    with (folder / "before").open("rb") as file:
        os.fsync(file)
    number = os.open(folder / "b", os.O_RDWR | os.O_CREAT)
    os.write(number, b"0123456789")
    os.pwrite(number, b"-", 4)
    os.lseek(number, 20, os.SEEK_SET)
    os.write(number, b"end")
    os.ftruncate(number, 22)
    os.close(number)
    os.truncate(folder / "b", 21)
    os.replace(folder / "b", folder / "c")
    (folder / "gone").touch()
    (folder / "gone").unlink()
    (folder / "empty").mkdir()
    (folder / "empty").rmdir()
    write_file(folder / "a" / "deep" / "whole", "content")
    make_folder(folder / "made")
    with open(os.open(folder / "f", os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.write(b"by number")


class All(random.Random):
    """Lets everything reach the disk."""

    def choice(self, _items: Any) -> Any:
        return 1.0


class Nothing(random.Random):
    """Lets nothing reach the disk that was not synced."""

    def choice(self, _items: Any) -> Any:
        return 0.0


def test_a_trace_rebuilds_what_was_recorded(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "before").write_bytes(b"0123456789")
    with recorded(live) as (trace, _):
        busy(live)
    Disk(trace, len(trace.events)).cut(All(), tmp_path / "rebuilt")
    assert content(tmp_path / "rebuilt") == content(live)
    Disk(trace, 0).cut(Nothing(), tmp_path / "at first")
    assert content(tmp_path / "at first") == {"before": b"0123456789"}
    with recorded(live) as (after, _):
        pass
    assert after.events == [], "nothing is left in place of the functions"
    (live / "free").write_bytes(b"")


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with recorded(tmp_path), pytest.raises(NotImplementedError, match=r"os\.link is not recorded"):
        os.link(tmp_path / "file", tmp_path / "other")


def test_unsynced_data_is_lost_in_every_way(tmp_path: Path) -> None:
    trace = Trace(files={1: OLD}, folders={0: {"file": 1}})
    trace.events += [Write(1, 0, NEW), Truncate(1, 100), Write(1, 100, b"tail")]
    rng, found = random.Random(0), set[bytes]()
    for number in range(300):
        Disk(trace, 3).cut(rng, tmp_path / str(number))
        found.add((tmp_path / str(number) / "file").read_bytes())
    for state in (OLD, NEW, OLD[:100], NEW[:100], NEW[:100] + b"tail", OLD[:100] + b"tail"):
        assert state in found
    assert any(0 < len(f) < 100 or (f[:512] == NEW[:512] and f[600:] != NEW[600:]) for f in found)


def plain(folder: Path) -> None:
    (folder / "file").write_bytes(NEW)


def renamed_unsynced(folder: Path) -> None:
    (folder / "new").write_bytes(NEW)
    os.replace(folder / "new", folder / "file")
    sync_folder(folder)


def folder_unsynced(folder: Path) -> None:
    with (folder / "new").open("wb") as file:
        file.write(NEW)
        file.flush()
        os.fsync(file.fileno())
    os.replace(folder / "new", folder / "file")


def synced_in_place(folder: Path) -> None:
    with (folder / "file").open("wb") as file:
        file.write(NEW)
        file.flush()
        os.fsync(file.fileno())


def whole(folder: Path) -> None:
    write_file(folder / "file", NEW)


@pytest.mark.parametrize(
    ("write", "is_sound"),
    [
        (plain, False),
        (renamed_unsynced, False),
        (folder_unsynced, False),
        (synced_in_place, False),
        (whole, True),
    ],
)
def test_who_forgets_to_sync_is_found_out(
    write: Callable[[Path], None], is_sound: bool, tmp_path: Path
) -> None:
    def prepare(folder: Path) -> None:
        (folder / "file").write_bytes(OLD)

    def run(folder: Path, acknowledge: Callable[[Any], None]) -> None:
        write(folder)
        acknowledge("written")

    def check(folder: Path, acknowledged: list[Any]) -> str:
        found = (folder / "file").read_bytes()
        allowed = [NEW] if acknowledged else [OLD, NEW]
        return "" if found in allowed else f"{found[:20]!r}"

    outcome = cut_power(Operation("write", prepare, run, check), tmp_path, 60)
    assert outcome.trials == 60
    assert (outcome.wrong == []) == is_sound, outcome.wrong[:3]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_policies_and_audit_log_survive(operation: Operation, tmp_path: Path) -> None:
    assert cut_power(operation, tmp_path / "cut", 12, seed=1).wrong == []


@pytest.mark.parametrize("operation", STORE_OPERATIONS, ids=lambda operation: operation.name)
def test_experience_survives(operation: Operation, tmp_path: Path) -> None:
    assert cut_power(operation, tmp_path / "cut", 5, seed=2).wrong == []


def test_what_is_synced_is_read_if_nothing_else_reached_the_disk(tmp_path: Path) -> None:
    """The first segment's key too, and the name of its file."""
    begin, live = STORE_OPERATIONS[0], tmp_path / "live"
    live.mkdir()
    with recorded(live) as (trace, acknowledge):
        begin.run(live, acknowledge)
    (said,) = [n for n, event in enumerate(trace.events) if isinstance(event, Acknowledged)]
    for point in range(said, len(trace.events) + 1):
        disk, left = Disk(trace, point), tmp_path / str(point)
        disk.cut(Nothing(), left)
        assert begin.check(left, disk.acknowledged) == ""


def test_an_erased_store_is_known_until_all_else_is_gone_for_good(tmp_path: Path) -> None:
    """So that erasing can be called again, with the key, after a power cut."""
    erasing, live = STORE_OPERATIONS[2], tmp_path / "live"
    live.mkdir()
    erasing.prepare(live)
    with recorded(live) as (trace, acknowledge):
        erasing.run(live, acknowledge)
    events = [event for event in trace.events if isinstance(event, Name | Sync)]
    (last,) = [
        n
        for n, event in enumerate(events)
        if isinstance(event, Name) and event.entries[0][1] == "store.json"
    ]
    names = [n for n, event in enumerate(events) if isinstance(event, Name)]
    assert len(names) > 2
    assert names[-1] == last
    assert isinstance(events[last - 1], Sync)
    assert isinstance(events[last + 1], Sync)
