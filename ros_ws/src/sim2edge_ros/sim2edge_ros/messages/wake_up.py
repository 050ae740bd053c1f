"""Wakes a waiting thread while it holds the interpreter's lock as briefly as possible."""

import threading
from contextlib import suppress


class WakeUp:
    """Serves as a `threading.Event` for one waiting thread, cleared by its `wait`.

    An Event takes four locks to wake a thread, each of which may have to wait for the interpreter;
    this class takes one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        """Wakes the thread that waits, or the next one that will; never blocks, from any thread."""
        with suppress(RuntimeError):  # it was woken already
            self._lock.release()

    def wait(self, timeout: float = -1.0) -> bool:
        """Waits until `wake` has been called since the last `wait`.

        Args:
            timeout: s; -1 waits for ever.

        Returns:
            False after the timeout.
        """
        return self._lock.acquire(timeout=timeout)
