"""A robot in another process of this machine, over shared memory.

Each direction is a ring of a few entries of which the newest counts, so neither side ever waits
for the other, whatever becomes of it. An entry carries its number and a checksum over all of it:
one that was overwritten while being read is recognized, on processors too that order memory
writes more loosely than x86.
"""

import json
import mmap
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.robot import ActuatorCommand, Mode, RobotDescription, Sample
from edge_runtime.signal import Array, Signal

_MAGIC = b"sim2edge robot 1"
_HEADER = struct.Struct("<16sI")  # magic, length of the description
_ENTRIES = 4
_READS = 3  # attempts at an entry that is being overwritten
_CACHE_LINE = 64
_HEAD = 32  # bytes of an entry before its values: number, checksum, mode, sequence, stamp


def segment_path(name: str) -> Path:
    """Where the shared memory of that name lies."""
    folder = Path("/dev/shm")  # POSIX shared memory; elsewhere a file that the page cache holds
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / f"sim2edge-{name}"


class _Entry:
    """A private copy of a ring's entry, with views on its parts."""

    def __init__(self, values: int) -> None:
        self.bytes = np.zeros(_HEAD + 4 * values, np.uint8)
        self.number = self.bytes[0:8].view(np.uint64)
        self.checksum = self.bytes[8:12].view(np.uint32)
        self.mode = self.bytes[12:16].view(np.uint32)
        self.sequence = self.bytes[16:24].view(np.int64)
        self.stamp = self.bytes[24:32].view(np.float64)
        self.values = self.bytes[32:].view(np.float32)
        self._checked = self.bytes[12:].data

    def expected_checksum(self) -> int:
        return zlib.crc32(self._checked, int(self.number[0]) & 0xFFFFFFFF)


class _Ring:
    """One direction: the writer's or the reader's view of it."""

    def __init__(self, memory: mmap.mmap, offset: int, values: int) -> None:
        size = _HEAD + 4 * values
        self._newest = np.frombuffer(memory, np.uint64, 1, offset)
        entries = np.frombuffer(memory, np.uint8, _ENTRIES * size, offset + _CACHE_LINE)
        self._entries = list(entries.reshape(_ENTRIES, size))
        self.entry, self._spare = _Entry(values), _Entry(values)
        self._number = 0

    @staticmethod
    def bytes_needed(values: int) -> int:
        return _aligned(_CACHE_LINE + _ENTRIES * (_HEAD + 4 * values))

    def publish(self) -> None:
        """Write `entry`, which the caller has filled."""
        self._number += 1
        self.entry.number[0] = self._number
        self.entry.checksum[0] = self.entry.expected_checksum()
        np.copyto(self._entries[self._number % _ENTRIES], self.entry.bytes)
        self._newest[0] = self._number

    def refresh(self) -> bool:
        """Take the newest into `entry` if there is a newer one; whether there was."""
        for _ in range(_READS):
            number = int(self._newest[0])
            if number == self._number:
                return False
            spare = self._spare
            np.copyto(spare.bytes, self._entries[number % _ENTRIES])
            if int(spare.number[0]) == number and int(spare.checksum[0]) == (
                spare.expected_checksum()
            ):
                self.entry, self._spare, self._number = spare, self.entry, number
                return True
        return False

    def close(self) -> None:
        del self._newest, self._entries


class SharedMemoryRobot:
    """The control loop's side: a `Robot`.

    Raises:
        UserError: no robot is served under that name.
    """

    def __init__(self, name: str) -> None:
        try:
            file = os.open(segment_path(name), os.O_RDWR)
        except OSError as error:
            raise UserError(f"no robot is served as '{name}' ({error.strerror})") from None
        try:
            self._memory = mmap.mmap(file, 0)
        finally:
            os.close(file)
        magic, length = _HEADER.unpack_from(self._memory)
        if magic != _MAGIC:
            raise UserError(f"'{name}' is not a robot of this version; restart its process")
        document = json.loads(self._memory[_HEADER.size : _HEADER.size + length])
        self.description = RobotDescription(
            document["name"],
            tuple(document["joint_names"]),
            tuple(Signal(**signal) for signal in document["signals"]),
        )
        self._samples, self._commands = _rings(self._memory, self.description, length)
        self._joints = len(self.description.joint_names)
        self._sample: Sample | None = None
        self._views: dict[int, dict[str, Array]] = {}  # on each of the ring's two copies

    @classmethod
    def wait_for(
        cls, name: str, seconds: float, alive: Callable[[], bool] = lambda: True
    ) -> "SharedMemoryRobot":
        """Connect as soon as the robot is served.

        Raises:
            UserError: it was not within `seconds`, or `alive` said that its process has ended.
        """
        patience = time.monotonic() + seconds
        while not segment_path(name).exists():
            if not alive():
                raise UserError("the robot's process ended before it served the robot")
            if time.monotonic() > patience:
                raise UserError(f"no robot was served as '{name}' within {seconds:g} s")
            time.sleep(0.02)
        return cls(name)

    def read(self) -> Sample | None:
        """The newest sample, whose values the next but one call overwrites; None before one."""
        if self._samples.refresh():
            entry = self._samples.entry
            if id(entry) not in self._views:
                self._views[id(entry)] = _split(entry.values, self.description.signals)
            self._sample = Sample(
                int(entry.sequence[0]), float(entry.stamp[0]), self._views[id(entry)]
            )
        return self._sample

    def write(self, command: ActuatorCommand) -> None:
        """Send a command; it is copied."""
        entry, count = self._commands.entry, self._joints
        entry.mode[0] = command.mode
        entry.sequence[0] = command.sequence
        entry.stamp[0] = time.monotonic()
        entry.values[:count] = command.target
        entry.values[count : 2 * count] = command.stiffness
        entry.values[2 * count :] = command.damping
        self._commands.publish()

    def close(self) -> None:
        """Let go of the memory; the last sample's values stay valid."""
        self._samples.close()
        self._commands.close()
        self._memory.close()


class RobotServer:
    """The robot's side. Use as a context manager: the end removes the memory."""

    def __init__(self, name: str, description: RobotDescription) -> None:
        self.description = description
        self.path = segment_path(name)
        document = json.dumps(asdict(description)).encode()
        samples, commands = _values(description)
        size = _start(len(document)) + _Ring.bytes_needed(samples) + _Ring.bytes_needed(commands)
        # Under its name it appears only when it is complete.
        building = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        file = os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(file, size)
            self._memory = mmap.mmap(file, size)
        finally:
            os.close(file)
        self._memory[: _HEADER.size] = _HEADER.pack(_MAGIC, len(document))
        self._memory[_HEADER.size : _HEADER.size + len(document)] = document
        self._samples, self._commands = _rings(self._memory, description, len(document))
        self._views = _split(self._samples.entry.values, description.signals)
        os.rename(building, self.path)

    def publish(self, sequence: int, stamp: float, values: Mapping[str, Array]) -> None:
        """Give a new sample: all signals, (1, size)."""
        for name, view in self._views.items():
            view[:] = values[name]
        entry = self._samples.entry
        entry.sequence[0], entry.stamp[0] = sequence, stamp
        self._samples.publish()

    def command(self) -> ActuatorCommand | None:
        """The command that came since the last call; None if none did."""
        if not self._commands.refresh():
            return None
        entry = self._commands.entry
        target, stiffness, damping = entry.values.reshape(3, -1).copy()
        return ActuatorCommand(
            int(entry.sequence[0]), Mode(int(entry.mode[0])), target, stiffness, damping
        )

    def close(self) -> None:
        """Remove the memory; those who have it open keep it until they close it."""
        self.path.unlink(missing_ok=True)
        self._samples.close()
        self._commands.close()
        self._memory.close()

    def __enter__(self) -> "RobotServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rings(memory: mmap.mmap, description: RobotDescription, document: int) -> tuple[_Ring, _Ring]:
    """The rings of samples and of commands."""
    samples, commands = _values(description)
    start = _start(document)
    after = start + _Ring.bytes_needed(samples)
    return _Ring(memory, start, samples), _Ring(memory, after, commands)


def _values(description: RobotDescription) -> tuple[int, int]:
    """Numbers in a sample, and in a command: target, stiffness and damping of each joint."""
    return sum(s.size for s in description.signals), 3 * len(description.joint_names)


def _start(document: int) -> int:
    return _aligned(_HEADER.size + document)


def _aligned(size: int) -> int:
    return -(-size // _CACHE_LINE) * _CACHE_LINE


def _split(values: Array, signals: tuple[Signal, ...]) -> dict[str, Array]:
    """Views of each signal, (1, size)."""
    ends = np.cumsum([signal.size for signal in signals], dtype=int)
    return {
        signal.name: values[None, end - signal.size : end] for signal, end in zip(signals, ends)
    }
