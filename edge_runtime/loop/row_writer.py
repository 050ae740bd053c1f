"""Hands rows from a thread that never waits to a function that may be slow."""

import threading
from collections.abc import Callable


class RowWriter:
    """Buffers rows in a ring, which a thread of its own empties into a function.

    `put` takes no lock and makes no system call; it copies the row into memory allocated before.
    If the ring is full, the row is lost.

    The thread gets the priority that `realtime` gives to all threads but the loop's: below the
    loop, but above other processes, because the loop waits for a thread that holds the
    interpreter's lock.

    Args:
        row_size: size of a row, bytes.
        capacity: how many rows the ring holds.
        sink: takes some rows, joined; an OSError that it raises ends the writing.
        every: time between two calls, s.
    """

    def __init__(
        self, row_size: int, capacity: int, sink: Callable[[bytes], None], every: float
    ) -> None:
        self._ring = memoryview(bytearray(row_size * capacity))
        self._ring[:] = bytes(len(self._ring))  # so that no page is missing at the first row
        self._size, self._capacity = row_size, capacity
        self._sink, self._every = sink, every
        self.given = 0  # rows put, lost ones too
        self._filled = 0  # rows put into the ring; only the putting thread changes it
        self.written = 0  # rows taken out of it; only this object's thread changes it
        self.failure = ""  # the error that ended the writing, if one did
        self.patience = 5.0  # s for which `close` waits for a sink that hangs
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="row writer", daemon=True)
        self._thread.start()

    def put(self, row: bytes) -> None:
        """Puts a row of `row_size` bytes into the ring, or counts it as lost."""
        self.given += 1
        filled = self._filled
        if filled - self.written < self._capacity:
            at = filled % self._capacity * self._size
            self._ring[at : at + self._size] = row
            self._filled = filled + 1

    def close(self) -> None:
        """Passes on the rows that are left and ends the thread."""
        self._ending.set()
        self._thread.join(self.patience)
        if self._thread.is_alive():
            self.failure = f"a write did not end within {self.patience:g} s"

    def _run(self) -> None:
        try:
            while not self._ending.wait(self._every):
                self._drain()
            self._drain()
        except OSError as error:
            self.failure = error.strerror or str(error)

    def _drain(self) -> None:
        while count := self._filled - self.written:
            at = self.written % self._capacity
            count = min(count, self._capacity - at)
            self._sink(bytes(self._ring[at * self._size : (at + count) * self._size]))
            self.written += count
