"""Wakes a thread that waits, with as little of the interpreter's time as it can."""

import threading
from contextlib import suppress


class WakeUp:
    """Like a `threading.Event` that one thread waits for and that is cleared with it.

    An event takes four locks to wake a thread, each of which may have to wait for the interpreter;
    this one takes one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        """Wake who waits, or who will wait next; never blocks. From any thread."""
        with suppress(RuntimeError):  # it was woken already
            self._lock.release()

    def wait(self, timeout: float = -1.0) -> bool:
        """Wait until it was woken since the last time; False after `timeout` s (-1: never)."""
        return self._lock.acquire(timeout=timeout)
