"""Rows from a thread that never waits, to a sink that may be slow."""

import threading
from collections.abc import Callable


class RowWriter:
    """A ring that one thread fills, and a thread that empties it into a sink.

    The giver takes no lock and makes no system call: it copies its row into memory that is there.
    If the ring is full, the row is lost.

    The thread keeps the priority that `realtime` gives to all but the loop's own: below it, but
    above other processes, for whoever holds the interpreter's lock must be let to run.

    Args:
        row_size: bytes of a row.
        capacity: rows that the ring holds.
        sink: called with some rows, one after another; an OSError of its ends the writing.
        every: s between two calls.
    """

    def __init__(
        self, row_size: int, capacity: int, sink: Callable[[bytes], None], every: float
    ) -> None:
        self._ring = memoryview(bytearray(row_size * capacity))
        self._ring[:] = bytes(len(self._ring))  # so that its memory is there before the first row
        self._size, self._capacity = row_size, capacity
        self._sink, self._every = sink, every
        self.given = 0  # rows
        self._filled = 0  # rows in the ring so far, written by the giver alone
        self.written = 0  # rows out of it, written by the thread alone
        self.failure = ""  # what ended the writing, if not `close`
        self.patience = 5.0  # s that `close` waits for a sink that hangs
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="row writer", daemon=True)
        self._thread.start()

    def put(self, row: bytes) -> None:
        """Give a row of the right size."""
        self.given += 1
        filled = self._filled
        if filled - self.written < self._capacity:
            at = filled % self._capacity * self._size
            self._ring[at : at + self._size] = row
            self._filled = filled + 1

    def close(self) -> None:
        """Write what is left and end the thread."""
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
