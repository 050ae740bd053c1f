"""Connects to a robot in another process of this machine over shared memory.

Each direction is a ring of a few entries, of which the newest counts, so neither side ever waits
for the other, even if that one crashes. An entry carries its number and a checksum, by which a
reader recognizes one that was overwritten while it was read; this holds on processors that reorder
memory writes, too. Cameras have a ring each (`images`).
"""

import fcntl
import json
import mmap
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.errors import UserError, suggestion
from edge_runtime.robot.images import NO_IMAGES, Image, ImageRing, Pixels
from edge_runtime.robot.robot import ActuatorCommand, Mode, RobotDescription, Sample
from edge_runtime.signals import Array

_MAGIC = b"sim2edge robot 5"
_HEADER = struct.Struct("<16sI")  # magic, length of the description
_ENTRIES = 4
_READS = 3  # attempts at an entry that is being overwritten
_CACHE_LINE = 64
_HEAD = struct.Struct("<QIIqd")  # an entry's number, checksum, mode, sequence, stamp
_CHECKSUM = struct.Struct("<I")
_CHECKED = 12  # the checksum covers the number and the bytes from here on


def segment_path(name: str) -> Path:
    """Returns the file of the shared memory of that name."""
    folder = Path("/dev/shm")  # POSIX shared memory; elsewhere a file that the page cache holds
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / f"sim2edge-{name}"


class _Entry:
    """Holds a private copy of a ring's entry."""

    def __init__(self, values: int) -> None:
        self.bytes = bytearray(_HEAD.size + 4 * values)
        self.memory = memoryview(self.bytes)
        self.values: Array = np.frombuffer(self.bytes, np.float32, values, _HEAD.size)
        self._checked = self.memory[_CHECKED:]

    def seal(self, number: int, mode: int, sequence: int, stamp: float) -> None:
        """Writes the head of an entry whose values are filled in."""
        _HEAD.pack_into(self.bytes, 0, number, 0, mode, sequence, stamp)
        _CHECKSUM.pack_into(self.bytes, 8, self._sum(number))

    def open(self, number: int) -> tuple[int, int, float] | None:
        """Returns mode, sequence and stamp; None if this is not the whole entry of that number."""
        found, checksum, mode, sequence, stamp = _HEAD.unpack_from(self.bytes)
        if found != number or checksum != self._sum(number):
            return None
        return mode, sequence, stamp

    def _sum(self, number: int) -> int:
        return zlib.crc32(self._checked, number & 0xFFFFFFFF)


class _Ring:
    """Writes or reads one direction."""

    def __init__(self, memory: memoryview, offset: int, values: int) -> None:
        size = _HEAD.size + 4 * values
        self._newest = memory[offset : offset + 8].cast("Q")
        first = offset + _CACHE_LINE
        self._entries = [memory[first + i * size : first + (i + 1) * size] for i in range(_ENTRIES)]
        self.entry, self._spare = _Entry(values), _Entry(values)
        self._number = 0

    @staticmethod
    def bytes_needed(values: int) -> int:
        """Returns the bytes of a ring in shared memory."""
        return _aligned(_CACHE_LINE + _ENTRIES * (_HEAD.size + 4 * values))

    def publish(self, mode: int, sequence: int, stamp: float) -> None:
        """Publishes `entry`, whose values the caller has filled in."""
        number = self._number = self._number + 1
        self.entry.seal(number, mode, sequence, stamp)
        self._entries[number % _ENTRIES][:] = self.entry.memory
        self._newest[0] = number

    def refresh(self) -> tuple[int, int, float] | None:
        """Copies the newest into `entry`; returns its head, or None if there is no newer one."""
        for _ in range(_READS):
            number = self._newest[0]
            if number == self._number:
                return None
            spare = self._spare
            spare.memory[:] = self._entries[number % _ENTRIES]
            head = spare.open(number)
            if head is not None:
                self.entry, self._spare, self._number = spare, self.entry, number
                return head
        return None

    def close(self) -> None:
        """Releases the shared memory."""
        for view in (*self._entries, self._newest):
            view.release()


class SharedMemoryRobot:
    """Connects the control loop to a robot that another process serves.

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
        self.description = from_json(RobotDescription, document, name)
        self._view = memoryview(self._memory)
        self._samples, self._commands = _rings(self._view, self.description, length)
        self._cameras = _cameras(self._view, self.description, length)
        self._joints = len(self.description.joint_names)
        self._sample: Sample | None = None

    @classmethod
    def wait_for(
        cls, name: str, seconds: float, alive: Callable[[], bool] = lambda: True
    ) -> "SharedMemoryRobot":
        """Connects as soon as the robot is served.

        Raises:
            UserError: the robot was not served within `seconds`, or `alive` returned False.
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
        """Returns the newest sample, or None before the first.

        The second `read` or `rehearse` after this one overwrites its values.
        """
        head = self._samples.refresh()
        if head is not None:
            images = self._newest_images() if self._cameras else NO_IMAGES
            self._sample = Sample(head[1], head[2], self._samples.entry.values, images)
        return self._sample

    def rehearse(self) -> None:
        """Reads the newest sample; the next `read` returns it, if none has come since."""
        self.read()

    def _newest_images(self) -> dict[str, Image]:
        newest = ((name, ring.refresh()) for name, ring in self._cameras.items())
        return {name: image for name, image in newest if image is not None}

    def write(self, command: ActuatorCommand) -> None:
        """Sends a copy of a command."""
        values, count = self._commands.entry.values, self._joints
        values[:count] = command.target
        values[count : 2 * count] = command.stiffness
        values[2 * count :] = command.damping
        self._commands.publish(command.mode, command.sequence, time.monotonic())

    def close(self) -> None:
        """Disconnects; the last sample's values and images stay valid."""
        self._sample = None
        _release(self._memory, self._view, self._samples, self._commands, self._cameras)


class RobotServer:
    """Serves a robot to the control loop; as a context manager, it removes the memory at the end.

    Raises:
        UserError: a process that is alive serves a robot under that name already.
    """

    def __init__(self, name: str, description: RobotDescription) -> None:
        self.description = description
        self.path = segment_path(name)
        document = json.dumps(to_json(description)).encode()
        size = _after_rings(description, len(document))
        size += sum(ImageRing.bytes_needed(image) for image in description.images)
        # The file gets its name only when it is complete.
        self._file, building = tempfile.mkstemp(prefix=f"{self.path.name}.", dir=self.path.parent)
        try:
            # The kernel releases the lock when the process ends, even if it crashes.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            _reserve(self._file, size, self.path.parent)
            self._memory = mmap.mmap(self._file, size)
            self._memory[: _HEADER.size] = _HEADER.pack(_MAGIC, len(document))
            self._memory[_HEADER.size : _HEADER.size + len(document)] = document
            self._view = memoryview(self._memory)
            self._samples, self._commands = _rings(self._view, description, len(document))
            self._cameras = _cameras(self._view, description, len(document))
            _take_name(Path(building), self.path, name)
        except BaseException:
            os.close(self._file)
            raise
        finally:
            os.unlink(building)

    def publish(self, sample: Sample) -> None:
        """Publishes a copy of a new sample."""
        np.copyto(self._samples.entry.values, sample.values)
        self._samples.publish(0, sample.sequence, sample.stamp)

    def publish_image(self, name: str, pixels: Pixels, stamp: float) -> None:
        """Publishes a copy of a camera's new image, which the samples that follow refer to.

        Args:
            name: one of the description's `images`.
            pixels: the image, of that signal's shape and dtype.
            stamp: when it was taken, s by the robot's clock.

        Raises:
            UserError: there is no such image, or the pixels have another shape or dtype.
        """
        if name not in self._cameras:
            hint = suggestion(name, self._cameras)
            raise UserError(f"robot '{self.description.name}' has no image '{name}'; {hint}")
        self._cameras[name].publish(pixels, stamp)

    def command(self) -> ActuatorCommand | None:
        """Returns the command that arrived since the last call; None without one."""
        head = self._commands.refresh()
        if head is None:
            return None
        mode, sequence, _ = head
        target, stiffness, damping = self._commands.entry.values.reshape(3, -1).copy()
        return ActuatorCommand(sequence, Mode(mode), target, stiffness, damping)

    def close(self) -> None:
        """Removes the memory; a process that has it open keeps it until it disconnects."""
        if _lies_at(self._file, self.path):
            self.path.unlink()
        os.close(self._file)
        _release(self._memory, self._view, self._samples, self._commands, self._cameras)

    def __enter__(self) -> "RobotServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reserve(file: int, size: int, folder: Path) -> None:
    """Gives a file its size; what is only promised would end the process when it is written.

    Raises:
        UserError: there is no room.
    """
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        raise UserError(
            f"the shared memory in {folder} has no room for {size / 1e3:.0f} kB ({error.strerror});"
            " make it larger, in a container by --shm-size, or free some"
        ) from None


def _take_name(building: Path, path: Path, name: str) -> None:
    """Gives a complete file its name, in place of a file that a dead process left behind."""
    while True:
        try:
            os.link(building, path)
            return
        except FileExistsError:
            _remove_left_behind(path, name)


def _remove_left_behind(path: Path, name: str) -> None:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # its server has just ended
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _lies_at(file, path):  # and not the file of another process that came meanwhile
            path.unlink()
    except BlockingIOError:
        raise UserError(
            f"a robot is served as '{name}' already; end its process or choose another name"
        ) from None
    finally:
        os.close(file)


def _lies_at(file: int, path: Path) -> bool:
    """Returns whether an open file is the one at that path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _rings(memory: memoryview, description: RobotDescription, document: int) -> tuple[_Ring, _Ring]:
    """Returns the rings of samples and of commands."""
    samples, commands = _values(description)
    start = _start(document)
    after = start + _Ring.bytes_needed(samples)
    return _Ring(memory, start, samples), _Ring(memory, after, commands)


def _cameras(
    memory: memoryview, description: RobotDescription, document: int
) -> dict[str, ImageRing]:
    """Returns the rings of images, by camera."""
    rings, start = {}, _after_rings(description, document)
    for image in description.images:
        rings[image.name] = ImageRing(memory, start, image)
        start += ImageRing.bytes_needed(image)
    return rings


def _release(
    memory: mmap.mmap,
    view: memoryview,
    samples: _Ring,
    commands: _Ring,
    cameras: Mapping[str, ImageRing],
) -> None:
    samples.close()
    commands.close()
    for ring in cameras.values():
        ring.close()
    view.release()
    with suppress(BufferError):  # an image is in use; the memory is released with it
        memory.close()


def _values(description: RobotDescription) -> tuple[int, int]:
    """Returns how many numbers a sample has, and a command: three for each joint."""
    return description.sample_size, 3 * len(description.joint_names)


def _after_rings(description: RobotDescription, document: int) -> int:
    """Returns where the rings of images begin, bytes."""
    return _start(document) + sum(map(_Ring.bytes_needed, _values(description)))


def _start(document: int) -> int:
    return _aligned(_HEADER.size + document)


def _aligned(size: int) -> int:
    return -(-size // _CACHE_LINE) * _CACHE_LINE
