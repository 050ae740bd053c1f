"""Hands the control loop's ticks to the learner's process, and makes neither side wait.

One process writes and one reads. The ticks lie in a ring in shared memory; each carries its number
and a checksum, by which the reader recognizes one that was overwritten while it was read. This
holds on processors that reorder memory writes, too. A reader that is too slow, or stopped, loses
the oldest ticks and knows how many.
"""

import math
import mmap
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.learning.feed.exploration import Exploration
from edge_runtime.learning.feed.feed_layout import FeedLayout, FeedRows, State, tag_of
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.controller import Controller
from edge_runtime.robot.robot import ActuatorCommand
from edge_runtime.robot.shared_memory import segment_path
from edge_runtime.safety.rules import Fault
from edge_runtime.signals import Array, Bool

_MAGIC = b"sim2edge feed 1\0"
# Of a tick, in the order of `FeedLayout.dtype`; the checksum covers its count and the second part.
_COUNT, _HEAD = struct.Struct("<QI"), struct.Struct("<IqQfI")
_CHECKED = _COUNT.size
_DROVE, _RESET, _FELL = int(State.DROVE), int(State.RESET), int(State.FELL)
_LINE = 64  # bytes of a cache line; what the two sides write lies in different ones
_FIRST = 3 * _LINE  # where the ring begins: after the magic, `written` and `taken`
_SAFE = 2  # ticks that the reader leaves to the writer at the far end of the ring


class Feed:
    """Observes ticks, and copies each into the ring.

    It takes no lock and makes no system call.

    Args:
        name: the name of the shared memory, which is made.
        layout: how a tick lies there.
        exploration: what knows the log-probability of each action; None if nothing explores.
        at_once: whether the reader sees each tick at once, or with `release` only.

    Raises:
        UserError: the shared memory cannot be made.
    """

    def __init__(
        self,
        name: str,
        layout: FeedLayout,
        exploration: Exploration | None = None,
        at_once: bool = True,
    ) -> None:
        self._at_once = at_once
        self.name, self.layout, self._exploration = name, layout, exploration
        self._size = layout.dtype.itemsize  # bytes of a tick
        try:
            self._memory = _made(segment_path(name), _FIRST + self._size * layout.capacity)
        except OSError as error:
            raise UserError(f"cannot share memory with the learner: {error.strerror}") from None
        self._view = memoryview(self._memory)
        self._view[:] = bytes(len(self._view))  # so that no page is missing at the first tick
        self._written = self._view[_LINE : _LINE + 8].cast("Q")
        self._taken = self._view[2 * _LINE : 2 * _LINE + 8].cast("Q")
        self._row = bytearray(self._size)
        self._checked = memoryview(self._row)[_CHECKED:]
        self._values = np.frombuffer(self._row, np.float32, layout.size, _CHECKED + _HEAD.size)
        self._controller: Controller | None = None  # that drove last
        self._spare = bytearray(self._size)
        self._tag = 0
        # Views of its buffers: the observation, and the command with the control step.
        self._observation: Array = np.zeros(0, np.float32)
        self._asked: tuple[Array, ...] = ()
        self.written = 0  # ticks
        self._memory[: len(_MAGIC)] = _MAGIC

    @property
    def taken(self) -> int:
        """Returns up to which tick the learner has done its work."""
        return self._taken[0]

    def observe(self, tick: Tick) -> None:
        """Copies a tick into the ring; one in which nothing was sent yet is left out."""
        if tick.sent is None:
            return
        self.written = count = self.written + 1
        self._fill(tick, tick.sent, count)
        # Not by a view of each place, which would be out of the caches by its turn.
        at = self._place(count)
        self._memory[at : at + self._size] = self._row
        if self._at_once:
            self._written[0] = count

    def rehearse(self, tick: Tick) -> None:
        """Prepares the row of a tick that nobody will see, and the place of the next one."""
        if tick.sent is not None:
            self._fill(tick, tick.sent, 0)
            at = self._place(self.written + 1)
            self._spare[:] = self._memory[at : at + self._size]

    def release(self) -> None:
        """Lets the reader see all ticks up to now."""
        self._written[0] = self.written

    def _place(self, count: int) -> int:
        """Returns where the tick of that number begins in memory."""
        return _FIRST + count % self.layout.capacity * self._size

    def _take_over(self, controller: Controller) -> None:
        """Goes on with another policy at work."""
        self._controller, self._tag = controller, tag_of(controller.policy.sha256)
        self._observation = controller.policy.observation[0]
        self._asked = controller.command[0], controller.step[0]

    def _fill(self, tick: Tick, sent: ActuatorCommand, count: int) -> None:
        controller = tick.controller
        if controller is not self._controller:
            self._take_over(controller)
        action = controller.action_in_robot_order()
        parts = (self._observation, action, sent.target, *self._asked, *tick.sensed_and_estimated)
        np.concatenate(parts, out=self._values)
        state = (_DROVE if tick.drove else 0) | (_RESET if tick.was_reset else 0)
        for rule in tick.broken:
            if rule.fault is Fault.TILT:
                state |= _FELL
        explored = self._exploration
        chance = math.nan if explored is None or not tick.drove else explored.log_prob
        row = self._row
        _HEAD.pack_into(row, _CHECKED, state, tick.number, self._tag, chance, tick.missed)
        _COUNT.pack_into(row, 0, count, zlib.crc32(self._checked, count & 0xFFFFFFFF))

    def close(self) -> None:
        """Removes the shared memory; a reader keeps what it has."""
        for view in (self._taken, self._written, self._view):
            view.release()
        self._memory.close()
        segment_path(self.name).unlink(missing_ok=True)


class FeedReader:
    """Reads ticks from the ring, in the learner's process.

    Args:
        name: the name of the shared memory.
        layout: how a tick lies there.

    Raises:
        UserError: nobody feeds under that name, or with another layout.
    """

    def __init__(self, name: str, layout: FeedLayout) -> None:
        path, self._layout = segment_path(name), layout
        try:
            file = os.open(path, os.O_RDWR)
        except OSError as error:
            raise UserError(f"nobody feeds a learner as '{name}' ({error.strerror})") from None
        try:
            self._memory = mmap.mmap(file, 0)
        finally:
            os.close(file)
        size = _FIRST + layout.dtype.itemsize * layout.capacity
        if self._memory[: len(_MAGIC)] != _MAGIC or len(self._memory) != size:
            raise UserError(f"'{name}' is no feed of this layout; start the robot's run anew")
        self._view = memoryview(self._memory)
        self._written = self._view[_LINE : _LINE + 8].cast("Q")
        self._taken = self._view[2 * _LINE : 2 * _LINE + 8].cast("Q")
        self._ring: FeedRows = np.frombuffer(self._memory, layout.dtype, layout.capacity, _FIRST)
        self._next = self._taken[0] + 1  # one that was killed left this to its successor
        self.lost = 0  # ticks that were overwritten before they were read

    def read(self, most: int) -> FeedRows:
        """Returns the ticks that are new, oldest first, (T,), `most` at most; it never waits."""
        written, capacity = self._written[0], self._layout.capacity
        oldest = max(self._next, written + 1 + _SAFE - capacity)
        self.lost += oldest - self._next
        count = min(most, written + 1 - oldest)
        numbers = np.arange(oldest, oldest + count)
        rows = self._ring[numbers % capacity].copy()
        whole: Bool = np.array(
            [self._is_whole(row, n) for row, n in zip(rows, numbers.tolist())], bool
        )
        self.lost += int(count - whole.sum())
        self._next = oldest + count
        found: FeedRows = rows[whole]
        return found

    def done(self) -> None:
        """Says that the work on all that was read is done."""
        self._taken[0] = self._next - 1

    def close(self) -> None:
        """Lets go of the shared memory."""
        del self._ring
        for view in (self._taken, self._written, self._view):
            view.release()
        with suppress(BufferError):  # rows that somebody still looks at keep it
            self._memory.close()

    def _is_whole(self, row: npt.NDArray[np.void], number: int) -> bool:
        content = row.tobytes()
        checksum = zlib.crc32(memoryview(content)[_CHECKED:], number & 0xFFFFFFFF)
        return int(row["count"]) == number and int(row["sum"]) == checksum


def _made(path: Path, size: int) -> mmap.mmap:
    """Makes a segment of shared memory that this user alone can open.

    Raises:
        OSError: it cannot be made.
    """
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(file, 0, size)  # else a full /dev/shm kills at the first write
        return mmap.mmap(file, size)
    finally:
        os.close(file)
