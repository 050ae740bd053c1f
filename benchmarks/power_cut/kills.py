"""Kills a process at a random moment (`kill -9`), and keeps what it has acknowledged before."""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")
Work = Callable[[Path, Callable[[Any], None]], None]


def kill_at_random(work: Work, folder: Path, rng: random.Random, longest: float) -> list[Any]:
    """Runs work in a process of its own and kills it; returns what it has acknowledged.

    Args:
        work: works on the folder without end, and says what is done; the module of its function is
            imported anew.
        folder: the folder.
        rng: chooses the moment.
        longest: s after the first word at which it is killed at the latest.

    Raises:
        RuntimeError: it ended by itself.
    """
    parent, child = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_run, args=(work, folder, child), daemon=True)
    process.start()
    child.close()
    acknowledged = list[Any]()
    with suppress(EOFError):
        acknowledged.append(parent.recv())  # that it has begun
        time.sleep(rng.uniform(0.0, longest))
        process.kill()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise RuntimeError(f"the process ended by itself, with exit code {process.exitcode}")
    with suppress(EOFError, OSError):
        while parent.poll():
            acknowledged.append(parent.recv())
    return acknowledged


def _run(work: Work, folder: Path, acknowledge: Connection) -> None:
    work(folder, acknowledge.send)
