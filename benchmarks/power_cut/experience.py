"""Lists the operations of an experience store whose power is cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.experience.erasure import erase
from edge_runtime.experience.layout import Layout, Rows
from edge_runtime.experience.reader import segment_paths
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.keys.key_file import KEY_SIZE
from power_cut.operations import prepare_all, promote_and_record, wrong_all
from power_cut.trials import Operation

Acknowledge = Callable[[Any], None]
KEY = bytes(range(KEY_SIZE))
LAYOUT = Layout("ab" * 32, "leg", 3, 2, ("speed", "energy"), 0.02)
LIMIT = 64_000  # bytes, so that the oldest rows are removed while more are written
SECOND = 50  # rows
_LEAST = 600  # rows that fit into any state of a store of that size
_FEW_SEGMENTS = LIMIT // 4096 - 1  # from which on the next removes the oldest, small as they are
_SECONDS = 40


def rows_of(first: int, count: int, layout: Layout = LAYOUT) -> Rows:
    """Returns rows of which each number is another one, (count,)."""
    rows = np.zeros(count, layout.dtype)
    rows["number"] = np.arange(first, first + count)
    for place, name in enumerate(("observation", "action", "log_prob", "reward")):
        values = rows["number"] + 1000.0 * place
        rows[name] = values.reshape(-1, *[1] * (rows[name].ndim - 1))
    return rows


def opened(folder: Path) -> ExperienceStore:
    """Opens the small store of these trials."""
    return ExperienceStore(folder / "experience", KEY, LAYOUT, LIMIT)


def found_in(store: ExperienceStore) -> Rows:
    """Returns all rows of a store, (n,)."""
    return np.concatenate([np.zeros(0, LAYOUT.dtype), *store.read()])


def wrong_experience(folder: Path, acknowledged: list[Any]) -> str:
    """Returns what is wrong with a store after two starts: rows lost, or other than written.

    What was acknowledged is older than the last `sync`, and so than one second.
    """
    last = max((what[1] for what in acknowledged if what[0] == "rows"), default=-1)
    for _ in range(2):
        with opened(folder) as store:
            found = found_in(store)
            numbers = found["number"]
            if any(not np.array_equal(rows_of(int(row["number"]), 1)[0], row) for row in found):
                return "a row is not as it was written"
            if np.any(np.diff(numbers) <= 0):
                return "rows are not in order"
            kept = numbers[numbers <= last]
            if last >= 0 and (not len(kept) or kept[-1] != last):
                return f"row {last} was acknowledged, and the last one is {kept[-1:]}"
            if len(kept) and len(kept) != last + 1 - kept[0]:
                return f"rows are missing between {kept[0]} and {last}"
            full = len(segment_paths(store.folder)) >= _FEW_SEGMENTS
            if len(kept) and kept[0] > max(0, last + 1 - _LEAST) and not full:
                return f"rows before {kept[0]} were removed, with room for them"
            new = rows_of(int(numbers.max(initial=last)) + 1, 3)
            store.append(new)
            store.sync()
            if store.dropped or not np.array_equal(found_in(store)[-3:], new):
                return "it does not go on"
    return ""


def write_rows(store: ExperienceStore, first: int, acknowledge: Acknowledge) -> int:
    """Writes the rows of a second and syncs, as a learner does; returns the next number."""
    for start in range(first, first + SECOND, 10):
        store.append(rows_of(start, 10))
    store.sync()
    acknowledge(("rows", first + SECOND - 1))
    return first + SECOND


def write_on_and_on(folder: Path, acknowledge: Acknowledge) -> None:
    """Writes without end, for a process that is killed; what `append` took is not lost then."""
    with opened(folder) as store:
        first = int(found_in(store)["number"].max(initial=-1)) + 1
        acknowledge(("rows", first - 1))
        while True:
            store.append(rows_of(first, 7))
            first += 7
            acknowledge(("rows", first - 1))
            store.sync()


def prepare_store(folder: Path) -> None:
    """Writes some seconds of experience."""
    with opened(folder) as store:
        first = 0
        while first < 6 * SECOND:
            first = write_rows(store, first, lambda _: None)


def _write(folder: Path, acknowledge: Acknowledge) -> None:
    with opened(folder) as store:
        first = 6 * SECOND
        for _ in range(_SECONDS):
            first = write_rows(store, first, acknowledge)


def _begin(folder: Path, acknowledge: Acknowledge) -> None:
    with opened(folder) as store:
        write_rows(store, 0, acknowledge)


def _erase(folder: Path, acknowledge: Acknowledge) -> None:
    erase(folder / "experience", KEY)
    acknowledge("erased")


def _check_erased(folder: Path, acknowledged: list[Any]) -> str:
    with opened(folder) as store:
        if acknowledged and len(found_in(store)):
            return "rows can be read after they were erased"
        store.erase()
        if len(found_in(store)):
            return "it is not erased the second time"
    return wrong_experience(folder, [])


def _prepare_all(folder: Path) -> None:
    prepare_all(folder)
    prepare_store(folder)


def _all(folder: Path, acknowledge: Acknowledge) -> None:
    """Promotes, rolls back and records, while experience is written."""
    with opened(folder) as store:
        first = 6 * SECOND

        def done(what: Any) -> None:
            nonlocal first
            acknowledge(what)
            first = write_rows(store, first, acknowledge)

        promote_and_record(folder, done)


def wrong_everything(folder: Path, acknowledged: list[Any]) -> str:
    """Returns what is wrong with policies, log and store."""
    others = [what for what in acknowledged if what[0] != "rows"]
    return wrong_all(folder, others) or wrong_experience(folder, acknowledged)


STORE_OPERATIONS = (
    Operation("begin a store of experience", lambda _: None, _begin, wrong_experience),
    Operation("write experience", prepare_store, _write, wrong_experience),
    Operation("erase experience", prepare_store, _erase, _check_erased),
    Operation("promote, update, record and write experience", _prepare_all, _all, wrong_everything),
)
