"""Writes messages into a bag of rotating files, whose chunks are soon on disk and whose size is
bounded."""

import errno
import fcntl
import os
import shutil
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mcap.writer import CompressionType, Writer

from edge_runtime.errors import UserError
from edge_runtime.files import make_folder, sync_folder
from sim2edge_ros.recorder.bag_folder import (
    ACTIVE,
    LIBRARY,
    next_bag,
    prune,
    recover_all,
    write_metadata,
)
from sim2edge_ros.settings.parameters import BagConfig

_LARGEST_CHUNK = 1 << 20  # bytes before compression
_CHUNKS = 8  # a file holds at least so many
_LATCHED_SHARE = 4  # part of a file that copies of latched messages may take


@dataclass(frozen=True)
class Topic:
    """Describes a topic as the bag does."""

    name: str
    type: str  # as 'sensor_msgs/msg/Imu'
    definition: str  # from `definitions.definition`
    qos: str = ""  # YAML, as rosbag2 writes it
    latched: int = 0  # of how many newest messages each file begins with a copy


class Bag:
    """Writes a new bag in a folder of bags; all times are in ns since 1970.

    What was flushed survives the end of the process and a power cut: the next bag in the same
    folder finishes the file that was in progress (`recovered`).

    Raises:
        UserError: the folder cannot be written, its disk has no room for a file, or another
            recorder writes there.
    """

    def __init__(self, config: BagConfig) -> None:
        self._folder = folder = Path(config.folder).expanduser()
        make_folder(folder)
        self._lock = _lock(folder)
        self.removed: list[Path] = []  # files that were removed, oldest first
        self.left_out: list[str] = []  # latched topics of which a file lacked some, each once
        self.messages = 0
        self.pending = 0  # messages that may not be on the disk yet
        self._held = 0  # messages in the file in progress
        self._topics: dict[str, Topic] = {}
        # The newest messages of each latched topic, with the times when they were published.
        self._latched: dict[str, deque[tuple[bytes, int]]] = {}
        self._index = 0
        self._file_size, self._size = round(config.file_mb * 1e6), round(config.total_mb * 1e6)
        self._chunk_size = min(_LARGEST_CHUNK, self._file_size // _CHUNKS)
        try:
            self.recovered = recover_all(folder)
            self.path = next_bag(folder)
            self._open()
        except (OSError, UserError) as error:
            os.close(self._lock)
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"cannot record into {folder}: {error.strerror}; a file takes "
                f"{self._room / 1e6:g} MB, so make room or allow less of `file_mb`"
            ) from None

    def add(self, topic: Topic) -> None:
        """Registers a topic before its first message, or anew with more latched messages."""
        self._topics[topic.name] = topic
        if topic.latched:
            known = self._latched.get(topic.name, ())
            self._latched[topic.name] = deque(known, topic.latched)

    def write(self, topic: str, data: bytes, log_time: int, publish_time: int) -> None:
        """Writes a message in CDR, with its header of 4 bytes.

        Raises:
            OSError: the disk does not take it; `reopen` goes on with another file.
        """
        if not self._held:
            self._repeat_latched(log_time)
        self.messages, self.pending, self._held = (
            self.messages + 1,
            self.pending + 1,
            self._held + 1,
        )
        self._add(topic, data, log_time, publish_time)
        if topic in self._latched:
            self._latched[topic].append((data, publish_time))
        if self._file.tell() >= self._file_size:
            self._finish()
            self._open()

    def _add(self, topic: str, data: bytes, log_time: int, publish_time: int) -> None:
        channel = self._channels.get(topic)
        if channel is None:
            channel = self._channels[topic] = self._register(self._topics[topic])
        self._writer.add_message(channel, log_time, data, publish_time)

    def _repeat_latched(self, log_time: int) -> None:
        """Begins a file with the latched messages, as far as they leave room for others.

        So a file that is kept alone still has the robot's model and state. The smallest topics come
        first, and of one that does not fit the newest messages.
        """
        room = self._file_size // _LATCHED_SHARE
        for topic, messages in sorted(self._latched.items(), key=lambda item: _size(item[1])):
            kept: deque[tuple[bytes, int]] = deque()
            for message in reversed(messages):
                if len(message[0]) < room:
                    room -= len(message[0])
                    kept.appendleft(message)
            for data, publish_time in kept:
                self._add(topic, data, log_time, publish_time)
            if len(kept) < len(messages) and topic not in self.left_out:
                self.left_out.append(topic)

    def flush(self) -> None:
        """Brings all that was written to the disk; to be called at most every fraction of a second.

        Raises:
            OSError: the disk does not take it.
        """
        self._writer.flush()
        os.fsync(self._file.fileno())
        self.pending = 0

    def reopen(self) -> None:
        """Goes on in another file after an OSError, and saves what it can of the one before.

        Raises:
            OSError: the disk still takes nothing.
            UserError: the disk does not take the bag's description.
        """
        with suppress(OSError):  # what is still buffered may fail too
            self._file.close()
        recover_all(self._folder)
        self._open()

    def close(self) -> None:
        """Finishes the bag.

        Raises:
            OSError: the disk does not take it; the next bag in the folder will finish it.
        """
        try:
            self._finish()
        finally:
            os.close(self._lock)

    @property
    def _room(self) -> int:
        """Returns how many bytes a file takes at most, with its last chunk and its summary."""
        return self._file_size + self._file_size // 4

    def _open(self) -> None:
        """Opens the next file, after removing the oldest ones within the bound on all bags.

        Nothing is removed to free a disk that others fill.
        """
        limit = self._size - self._room
        self.removed += prune(self._folder, limit)
        if shutil.disk_usage(self._folder).free < self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        self.path.mkdir(exist_ok=True)  # the bag's last file may just have been removed
        name = f"{self.path.name}_{self._index}.mcap{ACTIVE}"
        self._index += 1
        self.pending = 0
        self._held = 0
        self._channels: dict[str, int] = {}  # id of each topic's channel in this file
        self._schemas: dict[str, int] = {}
        self._file: IO[bytes] = (self.path / name).open("xb")
        self._writer: Writer = Writer(self._file, self._chunk_size, CompressionType.ZSTD)
        self._writer.start("ros2", LIBRARY)
        sync_folder(self.path)

    def _finish(self) -> None:
        if self._file.closed:  # the disk took no new file; `recover_all` finishes what is there
            return
        path = Path(self._file.name)
        if self._held:
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            path.replace(path.with_name(path.name.removesuffix(ACTIVE)))
        else:
            self._file.close()
            path.unlink()
        self._held = 0
        write_metadata(self.path)
        if self.path.exists():
            sync_folder(self.path)

    def _register(self, topic: Topic) -> int:
        schema = self._schemas.get(topic.type)
        if schema is None:
            definition = topic.definition.encode()
            schema = self._writer.register_schema(topic.type, "ros2msg", definition)
            self._schemas[topic.type] = schema
        about = {"offered_qos_profiles": topic.qos}
        return self._writer.register_channel(topic.name, "cdr", schema, about)


def _size(messages: Iterable[tuple[bytes, int]]) -> int:
    """Returns how many bytes messages take."""
    return sum(len(data) for data, _publish_time in messages)


def _lock(folder: Path) -> int:
    """Locks a folder against other recorders until this process ends or the
    descriptor is closed."""
    lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise UserError(
            f"another recorder writes to {folder}; name another folder for this one"
        ) from None
    return lock
