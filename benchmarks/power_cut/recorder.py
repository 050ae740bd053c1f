"""Records what a program does to the files of a folder, call by call."""

import builtins
import fcntl
import io
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from unittest import mock

from power_cut.disk import ROOT, Acknowledged, Event, Name, Sync, Trace, Truncate, Write

_WRITING = os.O_WRONLY | os.O_RDWR
# What changes files and is not recorded, so it must not be called.
_NOT_RECORDED = (
    *("link", "symlink", "writev", "pwritev", "sendfile", "copy_file_range", "posix_fallocate"),
    *("renames", "removedirs", "splice"),
)


class _Recorder:
    """Keeps which file has which name at present, and notes each call."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.trace = Trace()
        self.lock = threading.RLock()
        self._numbers = itertools.count(ROOT + 1)
        self._names: dict[str, int] = {self.root: ROOT}
        self._open: dict[int, tuple[int, tuple[int, int]]] = {}  # descriptor -> node, inode
        self._take_in(self.root)

    def note(self, event: Event) -> None:
        self.trace.events.append(event)

    def place(self, path: Any) -> str | None:
        """Returns a path as it is kept, or None outside the folder."""
        if isinstance(path, int):
            return None
        path = os.path.abspath(os.fsdecode(path))
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        return path if path == self.root or path.startswith(f"{self.root}/") else None

    def opened(self, place: str, file: int, is_new: bool) -> int:
        """Notes that a file or folder is open, and returns its node."""
        if is_new:
            self._make(place)
        node, status = self._names[place], os.fstat(file)
        self._open[file] = node, (status.st_dev, status.st_ino)
        return node

    def node(self, file: int) -> int | None:
        """Returns the node of what is open under a number; None of what is not recorded."""
        node, inode = self._open.get(file, (None, (0, 0)))
        status = os.fstat(file)
        return node if inode == (status.st_dev, status.st_ino) else None

    def made_folder(self, place: str) -> None:
        self._make(place)
        self.trace.folders[self._names[place]] = {}

    def renamed(self, old: str | None, new: str | None) -> None:
        if old is None or new is None:
            raise NotImplementedError("a rename into the folder or out of it")
        node = self._names.pop(old)
        if node in self.trace.folders:
            raise NotImplementedError("a rename of a folder")
        self._names[new] = node
        self.note(Name(((*self._entry(old), None), (*self._entry(new), node))))

    def removed(self, place: str) -> None:
        del self._names[place]
        self.note(Name(((*self._entry(place), None),)))

    def _entry(self, place: str) -> tuple[int, str]:
        folder, _, name = place.rpartition("/")
        return self._names[folder], name

    def _make(self, place: str) -> None:
        node = self._names[place] = next(self._numbers)
        self.note(Name(((*self._entry(place), node),)))

    def _take_in(self, place: str) -> None:
        """Takes in what was there before; all of it is on the disk."""
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            node = self._names[entry.path] = next(self._numbers)
            self.trace.folders[self._names[place]][entry.name] = node
            if entry.is_dir():
                self.trace.folders[node] = {}
                self._take_in(entry.path)
            else:
                self.trace.files[node] = Path(entry.path).read_bytes()


@contextmanager
def recorded(root: Path) -> Iterator[tuple[Trace, Callable[[Any], None]]]:
    """Records what is done to the files of a folder within the block, on any thread.

    Memory maps are not recorded, nor what C code does.

    Yields:
        The trace, and a function for the program to say what is done and must not be lost.
    """
    recorder = _Recorder(root)
    calls = _calls(recorder)
    with mock.patch.multiple(os, **calls), _opening(recorder):

        def acknowledge(what: Any) -> None:
            with recorder.lock:
                recorder.note(Acknowledged(what))

        yield recorder.trace, acknowledge


def _calls(recorder: _Recorder) -> dict[str, Any]:
    """Returns what stands for the functions of `os` meanwhile."""
    real: Any = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        nameless = flags & os.O_TMPFILE == os.O_TMPFILE
        place = None if nameless else recorder.place(path)
        with recorder.lock:
            is_new = place is not None and not os.path.lexists(place)
            file: int = real["open"](path, flags, mode, dir_fd=dir_fd)
            if place is not None:
                node = recorder.opened(place, file, is_new)
                if flags & os.O_TRUNC and flags & _WRITING and not is_new:
                    recorder.note(Truncate(node, 0))
        return file

    def write(file: int, data: Any) -> int:
        with recorder.lock:
            node = recorder.node(file)
            if node is None:
                return real["write"](file, data)
            offset = _offset(file)
            written: int = real["write"](file, data)
            recorder.note(Write(node, offset, bytes(data)[:written]))
        return written

    def pwrite(file: int, data: Any, offset: int) -> int:
        with recorder.lock:
            written: int = real["pwrite"](file, data, offset)
            if (node := recorder.node(file)) is not None:
                recorder.note(Write(node, offset, bytes(data)[:written]))
        return written

    def sync(name: str) -> Callable[[Any], None]:
        def call(file: Any) -> None:
            number = file if isinstance(file, int) else file.fileno()
            with recorder.lock:
                real[name](number)
                if (node := recorder.node(number)) is not None:
                    recorder.note(Sync(node))

        return call

    def ftruncate(file: int, size: int) -> None:
        with recorder.lock:
            real["ftruncate"](file, size)
            if (node := recorder.node(file)) is not None:
                recorder.note(Truncate(node, size))

    def truncate(path: Any, size: int) -> None:
        if isinstance(path, int):
            ftruncate(path, size)
            return
        file = open_(path, os.O_WRONLY)
        try:
            ftruncate(file, size)
        finally:
            os.close(file)

    def rename(name: str) -> Callable[[Any, Any], None]:
        def call(old: Any, new: Any) -> None:
            places = recorder.place(old), recorder.place(new)
            with recorder.lock:
                real[name](old, new)
                if places != (None, None):
                    recorder.renamed(*places)

        return call

    def remove(name: str) -> Callable[..., None]:
        def call(path: Any, *, dir_fd: int | None = None) -> None:
            place = recorder.place(path) if dir_fd is None else None
            with recorder.lock:
                real[name](path, dir_fd=dir_fd)
                if place is not None:
                    recorder.removed(place)

        return call

    def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        place = recorder.place(path)
        with recorder.lock:
            real["mkdir"](path, mode, dir_fd=dir_fd)
            if place is not None:
                recorder.made_folder(place)

    def refuse(name: str) -> Callable[..., Any]:
        def call(*_arguments: Any, **_named: Any) -> Any:
            raise NotImplementedError(f"os.{name} is not recorded")

        return call

    calls = {"open": open_, "write": write, "pwrite": pwrite, "mkdir": mkdir}
    calls |= {"ftruncate": ftruncate, "truncate": truncate}
    calls |= {name: sync(name) for name in ("fsync", "fdatasync")}
    calls |= {name: rename(name) for name in ("rename", "replace")}
    calls |= {name: remove(name) for name in ("unlink", "remove", "rmdir")}
    return calls | {name: refuse(name) for name in _NOT_RECORDED if name in real}


def _offset(file: int) -> int:
    """Returns where the next write to an open file goes."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    return os.fstat(file).st_size if flags & os.O_APPEND else os.lseek(file, 0, os.SEEK_CUR)


@contextmanager
def _opening(recorder: _Recorder) -> Iterator[None]:
    """Lets Python's `open` go by way of what is recorded meanwhile."""
    real = io.open

    class Raw(io.FileIO):
        """Writes by way of `os`, which is recorded."""

        def write(self, data: Any) -> int:
            return os.write(self.fileno(), data)

        def truncate(self, size: int | None = None) -> int:
            size = self.tell() if size is None else size
            os.ftruncate(self.fileno(), size)
            return size

    def open_(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> IO[Any]:
        if recorder.place(file) is None and not isinstance(file, int):
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        by = opener or (lambda path, flags: os.open(path, flags, 0o666))
        raw: Any = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener=by)
        if buffering == 0:
            return raw
        kind: Any = io.BufferedReader if "r" in mode else io.BufferedWriter
        buffered = io.BufferedRandom(raw) if "+" in mode else kind(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    with mock.patch.object(io, "open", open_), mock.patch.object(builtins, "open", open_):
        yield
