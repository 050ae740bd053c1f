"""Makes experience for tests, and a process that writes it until it is killed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.experience.layout import Layout, Rows
from edge_runtime.experience.store import ExperienceStore

KEY = bytes(range(32))
LAYOUT = Layout("ab" * 32, "leg", 3, 2, ("speed", "energy"), 0.02)
OTHER = Layout("cd" * 32, "leg", 4, 1, ())
SMALLEST = 32_000  # bytes that a store with rows of LAYOUT may have


def rows_of(layout: Layout, first: int, count: int) -> Rows:
    """Rows of which each number is another one."""
    rows = np.zeros(count, layout.dtype)
    rows["number"] = np.arange(first, first + count)
    for place, name in enumerate(("observation", "action", "log_prob", "reward")):
        values = rows["number"] + 1000.0 * place
        rows[name] = values.reshape(-1, *[1] * (rows[name].ndim - 1))
    rows["flags"] = rows["number"] % 8
    return rows


def joined(found: Any, layout: Layout = LAYOUT) -> Rows:
    return np.concatenate([np.zeros(0, layout.dtype), *found])


def write_for_ever(folder: Path) -> None:
    """Writes blocks, and says after each sync how many rows are on the disk."""
    with ExperienceStore(folder, KEY, LAYOUT) as store:
        first = int(joined(store.read())["number"].max(initial=-1)) + 1
        while True:
            store.append(rows_of(LAYOUT, first, 7))
            first += 7
            store.sync()
            print(first, flush=True)


if __name__ == "__main__":
    write_for_ever(Path(sys.argv[1]))
