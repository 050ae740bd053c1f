"""Writes experience to a store on the robot: bounded, encrypted, and whole after a power cut."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.experience.cipher import Cipher
from edge_runtime.experience.erasure import Erasure, erase
from edge_runtime.experience.identity import (
    FORMAT,
    IDENTITY_FILE,
    check_identity,
    write_identity,
)
from edge_runtime.experience.layout import Layout, Rows
from edge_runtime.experience.reader import ExperienceReader, segment_path, segment_paths
from edge_runtime.experience.segment import OVERHEAD, Header, SegmentWriter
from edge_runtime.experience.wrapped_keys import SLOT_SIZE, WrappedKeys
from edge_runtime.files import lock, make_folder, sync_folder, way_out

_LOG = logging.getLogger(__name__)
_KIND = "experience store"
_SEGMENT = 8_000_000  # bytes from which on a new segment is begun
_LEAST_SEGMENTS = 8  # that fit into the limit, so that removing one removes an eighth at most
_MOST_SEGMENTS = 4096  # after many starts; a smaller store has one for each 4096 bytes at most
_RESERVE = 4096  # bytes for the store's other files


class ExperienceStore:
    """Appends rows of experience, and removes the oldest to stay within a limit.

    `append` hands records to the system, which a crash of this process cannot take back, and
    `sync` writes them through to the disk: with one each second no row older than 1 s is lost in a
    power cut. A start never goes on with a segment of before, so that a key and a record's number
    never meet twice. One thread of one process calls the methods.

    A disk that takes no more does not stop the robot: the first time it is logged, rows are
    dropped and counted, and each `append` tries again.

    Args:
        folder: the store, which is made if it is not there.
        key: the master key, 32 bytes.
        layout: what the rows are.
        limit_bytes: most that the files may have together.
        robot_id: which robot this is, such as its serial number; by default the layout's robot.
        record_rows: most rows of a record, for instance those of one second.

    Raises:
        UserError: the folder cannot be written, another process writes it, it holds the experience
            of another robot, the key is not its key, the limit is too small, or `cryptography` is
            not installed.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        layout: Layout,
        limit_bytes: int = 200_000_000,
        robot_id: str = "",
        record_rows: int = 50,
    ) -> None:
        self.folder, self.layout, self.robot_id = folder, layout, robot_id or layout.robot
        self.limit_bytes = limit_bytes
        self.dropped = 0
        """Rows that the disk did not take."""
        self.failure = ""
        """What the disk said last, if it did not take rows."""
        self._dtype, self._key, self._master = layout.dtype, key, Cipher(key)
        self._per_record = max(1, record_rows)
        self._header_size = len(self._header(0).encoded()) + 10  # digits of its number
        largest = self._header_size + OVERHEAD * 2 + self._per_record * self._dtype.itemsize
        self._segment_bytes = min(_SEGMENT, (limit_bytes - _RESERVE) // _LEAST_SEGMENTS)
        if self._segment_bytes < largest:
            least = _LEAST_SEGMENTS * largest + _RESERVE
            raise UserError(
                f"limit_bytes is {limit_bytes}; for rows of {self._dtype.itemsize} bytes it must "
                f"be at least {least}"
            )
        self._segment: SegmentWriter | None = None
        self._cipher = self._master  # of the segment, when there is one
        make_folder(folder)
        self._lock = lock(folder, _KIND)
        try:
            self._begin()
        except OSError as error:
            self._lock.close()
            raise UserError(f"cannot write {_KIND} {folder}: {error.strerror}") from None
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "ExperienceStore":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def append(self, rows: Rows) -> None:
        """Adds rows (n,), in records of `record_rows` at most; better a block than one by one.

        A disk that does not take them raises nothing; see `dropped`.

        Raises:
            UserError: the rows are not of the layout.
        """
        if rows.dtype != self._dtype or rows.ndim != 1:
            raise UserError(f"rows of {rows.dtype} are not of the store's layout {self._dtype}")
        for at in range(0, len(rows), self._per_record):
            record = rows[at : at + self._per_record]
            try:
                self._append(record.tobytes())
            except OSError as error:
                self.dropped += len(rows) - at
                self._abandon(error)
                return

    def sync(self) -> None:
        """Writes all rows through to the disk; a disk that refuses raises nothing."""
        if self._segment is not None:
            try:
                self._segment.sync()
            except OSError as error:
                self._abandon(error)

    def read(self, policy: str = "") -> Iterator[Rows]:
        """Yields the rows of all whole records, oldest first, an array (n,) for each record.

        Args:
            policy: SHA-256 of the policy whose experience is wanted; this layout's if empty.

        Raises:
            UserError: the store cannot be read, or holds experience of this layout's policy in
                another layout.
        """
        for segment in self._reader.segments(policy or self.layout.policy):
            same = segment.layout.dtype == self._dtype
            same &= segment.layout.reward == self.layout.reward
            if segment.layout.policy == self.layout.policy and not same:
                raise UserError(
                    f"{self.folder} holds experience of this policy in another layout "
                    f"(reward: {', '.join(segment.layout.reward)[:200]}); erase it, or name "
                    "another folder"
                )
            yield from segment.rows()

    @property
    def damage(self) -> list[str]:
        """Returns a line for each part that was damaged or missing when the store was read last."""
        return self._reader.damage

    def erase(self) -> Erasure:
        """Destroys all that was recorded, as `erase` does; the store begins anew with new rows.

        Raises:
            UserError: something could not be destroyed.
        """
        self._close_segment()
        done = erase(self.folder, self._key, locked=True)
        try:
            self._begin()
        except OSError as error:
            raise UserError(f"cannot write {_KIND} {self.folder}: {error.strerror}") from None
        return done

    def close(self) -> None:
        """Writes all rows through to the disk and lets another process write."""
        self._close_segment()
        self._lock.close()

    def _begin(self) -> None:
        if not (self.folder / IDENTITY_FILE).exists() and not segment_paths(self.folder):
            write_identity(self.folder, self._master, self.robot_id)
        check_identity(self.folder, self._master, self.robot_id)
        self._reader = ExperienceReader(self.folder, self._key, self.robot_id)
        self._keys = WrappedKeys(self.folder)
        paths, with_keys = segment_paths(self.folder), self._keys.numbers()
        self._next = max({0, *paths, *with_keys}) + 1
        for number in list(paths) if self._keys.size() else ():
            if number in with_keys:
                break
            paths.pop(number).unlink()  # a power cut came between its key's removal and its own
        self._sizes = {number: path.stat().st_size for number, path in paths.items()}
        self._make_room(0)

    def _append(self, rows: bytes) -> None:
        needed = len(rows) + OVERHEAD
        if self._segment and self._segment.size + needed + OVERHEAD > self._segment_bytes:
            self._close_segment()
        if self._segment is None:
            self._make_room(needed + OVERHEAD + self._header_size)
            self._segment = self._new_segment()
        else:
            self._make_room(needed + OVERHEAD)
        self._segment.append(rows, self._cipher)
        self._sizes[self._next - 1] = self._segment.size

    def _new_segment(self) -> SegmentWriter:
        """Begins a segment; its key comes after its file and before its first record."""
        number, header = self._next, self._header(self._next).encoded()
        path = segment_path(self.folder, number)
        self._next += 1  # whatever comes, no other file gets this number
        segment = SegmentWriter(path, header)
        try:
            self._cipher = self._keys.add(number, header, self._master)
        except OSError:
            segment.close()
            with suppress(OSError):
                path.unlink()
            raise
        self._sizes[number] = segment.size
        return segment

    def _header(self, number: int) -> Header:
        return Header(FORMAT, number, self.robot_id, self.layout)

    def _make_room(self, needed: int) -> None:
        """Removes the oldest segments but the one that is written, until `needed` bytes fit."""
        most = min(_MOST_SEGMENTS, max(_LEAST_SEGMENTS, self.limit_bytes // 4096))
        while True:
            used = sum(self._sizes.values()) + self._keys.size() + SLOT_SIZE + _RESERVE
            oldest = min(self._sizes, default=self._next)
            written = self._next - 1 if self._segment else self._next
            fits = used + needed <= self.limit_bytes and len(self._sizes) < most
            if fits or oldest >= written:
                return
            for number in self._keys.numbers():
                if number <= oldest:  # that of a file that somebody removed too
                    self._keys.remove(number)
            segment_path(self.folder, oldest).unlink(missing_ok=True)
            sync_folder(self.folder)
            del self._sizes[oldest]

    def _close_segment(self) -> None:
        self.sync()  # for the next one syncs the next segment alone
        if self._segment is not None:
            with suppress(OSError):  # a reader takes its end for a power cut's
                self._segment.append(b"", self._cipher)
            self._sizes[self._next - 1] = self._segment.size
            self._drop_segment()

    def _drop_segment(self) -> None:
        if self._segment is not None:
            with suppress(OSError):
                self._segment.close()
            self._segment = None

    def _abandon(self, error: OSError) -> None:
        """Ends a segment that the disk did not take; the next row begins another."""
        if not self.failure:
            way = way_out(error) or "look at the disk"
            _LOG.warning("%s %s drops rows: %s; %s", _KIND, self.folder, error.strerror, way)
        self.failure = error.strerror or str(error)
        self._drop_segment()
