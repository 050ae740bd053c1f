"""Passes messages from a thread that never waits to a bag on a disk that may be slow."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge_runtime.errors import UserError
from sim2edge_ros.recorder.bag import Bag, Topic

# A power cut loses what is not on the disk yet: at most 0.05 + 0.4 s and the duration of a write.
_LOOK_EVERY, FLUSH_EVERY = 0.05, 0.4  # s
_RETRY_EVERY = 2.0  # s, after the disk failed
_HELD_MB = 64.0  # held in memory while the disk is slow


@dataclass(frozen=True)
class _Received:
    topic: str
    data: bytes
    time: int  # ns since 1970


class BagWriter:
    """Writes messages into a bag in a thread of its own, and flushes them to the disk.

    While the disk fails, messages are lost and counted, and the disk is tried again.

    Args:
        bag: the bag, which `close` closes.
        held_mb: MB of messages that may wait in memory for the disk.
    """

    def __init__(self, bag: Bag, held_mb: float = _HELD_MB) -> None:
        self.bag = bag
        self.lost = 0  # messages for which the disk was too slow, or which it may not have taken
        self.failure = ""  # the disk's failure, while it lasts
        self.slowest = 0.0  # s, longest duration of a flush
        self._waiting: deque[Topic | _Received] = deque()  # a deque's operations are atomic
        self._room = round(held_mb * 1e6)
        self._given, self._taken = 0, 0  # bytes, each written by one thread alone
        self._retry_at = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    def add(self, topic: Topic) -> None:
        """Registers a topic, before its first message."""
        self._waiting.append(topic)

    def put(self, topic: str, data: bytes, now: int | None = None) -> None:
        """Takes a message, received at `now` in ns since 1970; never waits for the disk."""
        if self._given - self._taken + len(data) > self._room:
            self.lost += 1
            return
        self._given += len(data)
        self._waiting.append(_Received(topic, data, time.time_ns() if now is None else now))

    def close(self, patience: float = 10.0) -> bool:
        """Writes what is left and finishes the bag; returns False if the disk hangs for `patience`
        s."""
        self._ending.set()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        flushed = time.monotonic()
        while not self._ending.wait(_LOOK_EVERY):
            self._try(self._drain)
            if time.monotonic() - flushed >= FLUSH_EVERY:
                flushed = time.monotonic()
                self._try(self.bag.flush)
                self.slowest = max(self.slowest, time.monotonic() - flushed)
        self._try(self._drain)
        self.lost += sum(isinstance(given, _Received) for given in self._waiting)
        with suppress(OSError, UserError):  # the next bag in the folder finishes this one
            self.bag.close()

    def _drain(self) -> None:
        for _ in range(len(self._waiting)):
            given = self._waiting.popleft()
            if isinstance(given, Topic):
                self.bag.add(given)
                continue
            self._taken += len(given.data)
            self.bag.write(given.topic, given.data, given.time, given.time)

    def _try(self, action: Callable[[], None]) -> None:
        if self.failure and not self._retry():
            return
        try:
            action()
        except (OSError, UserError) as error:
            self.lost += self.bag.pending
            self.failure = _why(error)
            self._retry_at = time.monotonic() + _RETRY_EVERY

    def _retry(self) -> bool:
        """Tries another file from time to time; returns whether the disk works again."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            self.bag.reopen()
        except (OSError, UserError) as error:
            self.failure = _why(error)
            self._retry_at = time.monotonic() + _RETRY_EVERY
            return False
        self.failure = ""
        return True


def _why(error: OSError | UserError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
