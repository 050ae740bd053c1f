"""Opens what commands read and write: whole files, links, devices and pipes."""

import errno
import fcntl
import itertools
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from edge_runtime.errors import UserError

RUN_FILES = ("config.json", "run.json", "checkpoint.pt")  # of a training, which goes on from them
_LOCK_FILE = "lock"
_READER_SECONDS = 5.0  # that a named pipe's reader gets to come
_LOOK = 0.02  # s between two tries of a lock
_PIECE = 1 << 20  # bytes that are read at once of what does not say its size
_LINKS = 40  # that are followed, as by Linux
_SHUT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)  # a folder that takes no new name
_FULL = "make room or write elsewhere"
_WAYS_OUT = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: "ask for the right to it, or name another",
    errno.EPERM: "ask for the right to it, or name another",
    errno.EROFS: "it may only be read; name another",
    errno.ENXIO: "nobody reads what is written there; name a file",
    errno.EPIPE: "its reader has ended; name a file",
}


def way_out(error: OSError) -> str:
    """Returns what a user can do about an error of the system; empty for one of another kind."""
    return _WAYS_OUT.get(error.errno or 0, "")


def make_folder(path: Path) -> None:
    """Makes a folder, and checks that files can be written there.

    Raises:
        UserError: no file can be written there.
    """
    try:
        _make_folders(path)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}; name another folder") from None


def new_folder(parent: Path, name: str) -> Path:
    """Makes a folder that nobody has yet: of that name, or NAME-2 and so on.

    Raises:
        UserError: it cannot be made.
    """
    with _writing(parent / name):
        for number in itertools.count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir(parents=True)
                return path
    raise AssertionError


def cache_folder(name: str) -> Path:
    """Returns the folder of that name for what can be made again.

    It is in ~/.cache/sim2edge, or in the temporary folder where that cannot be written.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sim2edge"
    except RuntimeError:  # a user without a home
        return private_folder() / name
    there = next((folder for folder in (base, *base.parents) if folder.exists()), base)
    return (base if os.access(there, os.W_OK | os.X_OK) else private_folder()) / name


def private_folder() -> Path:
    """Returns a folder of this user in the temporary folder, where nobody else can write.

    Raises:
        OSError: there is no temporary folder that can be written.
    """
    path = Path(tempfile.gettempdir()) / f"sim2edge-{os.getuid()}"
    with suppress(FileExistsError):
        path.mkdir(0o700)
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o22:
        return path
    return Path(tempfile.mkdtemp(prefix="sim2edge-"))  # somebody else has that name


def sync_folder(path: Path) -> None:
    """Writes a folder through to the disk, or a power cut could lose the name of a new file."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make_folders(path: Path) -> None:
    """Makes a folder and those above it that are missing, through to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync_name(folder)


def _sync_name(path: Path) -> None:
    """Writes the name of a file or folder through to the disk, where its folder may be read."""
    with suppress(PermissionError):
        sync_folder(path.parent)


def lock(
    folder: Path, kind: str, patience: float = 0.0, way_out: str = "give each robot its own"
) -> IO[bytes]:
    """Locks a folder against a second writer until the file that is returned is closed.

    Args:
        folder: what is locked.
        kind: what the folder is, for the error message.
        patience: s to wait for another process.
        way_out: what to do if that has the folder for longer.

    Raises:
        UserError: another process writes, or the folder cannot be written.
    """
    try:
        file = (folder / _LOCK_FILE).open("ab")
    except OSError as error:
        raise UserError(f"cannot write {kind} {folder}: {error.strerror}") from None
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError:
            if time.monotonic() >= until:
                file.close()
                raise UserError(f"another process writes {kind} {folder}; {way_out}") from None
        time.sleep(_LOOK)


def is_locked(folder: Path) -> bool:
    """Returns whether a process has locked a folder."""
    try:
        with (folder / _LOCK_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a copy has no such file
        return False
    return False


def read_file(path: Path, kind: str, largest: int) -> bytes:
    """Reads a whole file.

    What this process has open already, such as /dev/stdin or a shell's <(...), is read to its end.

    Args:
        path: the file.
        kind: what it should be, for the error message.
        largest: how many bytes it may have.

    Raises:
        UserError: it cannot be read, is too large, or is a folder, a device or a named pipe.
    """
    try:
        at = follow(path)
        number = descriptor(at)
        if number is None:
            check_file(path, kind)
        with open(at if number is None else os.dup(number), "rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 of a pipe
            # Room for `largest` bytes would be too much where all memory is locked in place.
            pieces = [b"" if size > largest else file.read(size + 1)]
            while pieces[-1] and sum(map(len, pieces)) <= largest:
                pieces.append(file.read(_PIECE))
    except OSError as error:
        raise UserError(f"cannot read {kind} {path}: {error.strerror}") from None
    content = b"".join(filter(None, pieces))
    if max(size, len(content)) > largest:
        raise UserError(f"{kind} {path} is too large; {largest / 1e6:g} MB are the most")
    return content


def check_file(path: Path, kind: str) -> None:
    """Refuses what is there but no plain file, of which some would be waited for without end.

    Raises:
        UserError: it is a folder, a pipe or a device.
    """
    with suppress(OSError):  # its reader says what is not there
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "folder" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"
            raise UserError(f"{kind} {path} is a {what}; name a file")


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a file as a whole; see `replacing`.

    Raises:
        UserError: it cannot be written; the old file at `path` is still there.
    """
    if isinstance(content, str):  # a path that is no UTF-8 may stand in it
        content = content.encode(errors="backslashreplace")
    with replacing(path) as building:
        building.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields an empty file to write, which takes the place of `path` at the end, if all went well.

    Links are followed. A file that is replaced hands on its mode and owner. A device, a pipe and
    what this process has open already, such as /dev/stdout, get the content written to them.

    Args:
        path: the file; missing folders are made. The file that is yielded has the same ending.

    Raises:
        UserError: it cannot be written; the old file at `path` is still there.
    """
    with _writing(path), ExitStack() as stack:
        target = follow(path)
        stream = open_stream(target, path)
        old = None if stream is not None else _status(target)
        building = _begin_elsewhere(target) if stream is not None else _begin(target, old)
        stack.callback(building.unlink, missing_ok=True)
        yield building
        if stream is not None:
            _copy(building, stream)
        else:
            _put(building, target, old)


def check_output(path: Path) -> None:
    """Refuses what `replacing` could not write, before the work whose result it is to hold.

    Raises:
        UserError: it cannot be written.
    """
    with _writing(path):
        target = follow(path)
        old = _status(target)
        if old is not None and stat.S_ISDIR(old.st_mode):
            raise UserError(f"{path} is a folder; name a file in it")
        if _is_part_of_a_run(target):
            raise UserError(f"{path} is what the run is made of; name another file")
        if descriptor(target) is None and (old is None or stat.S_ISREG(old.st_mode)):
            folder = next(folder for folder in target.absolute().parents if _status(folder))
            _begin(folder / target.name, old).unlink()


def _is_part_of_a_run(path: Path) -> bool:
    """Returns whether a training could not go on or be evaluated without this file."""
    return path.name in RUN_FILES and all((path.parent / name).is_file() for name in RUN_FILES)


def follow(path: Path) -> Path:
    """Follows links to where a file lies or will lie, or to the open file that /proc shows.

    Raises:
        OSError: the links form a circle, or a folder may not be searched.
    """
    for _ in range(_LINKS):
        if not path.is_symlink() or _shows_open_files(path.parent):
            return path
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def descriptor(path: Path) -> int | None:
    """Returns the number under which this process has a file open, of a path such as /dev/fd/63."""
    with suppress(OSError):  # it can be no open file
        path = follow(path)
        return int(path.name) if path.is_symlink() and path.name.isdigit() else None
    return None


def is_stream(path: Path) -> bool:
    """Returns whether a path leads to a device, a pipe or an open file, which take a stream."""
    with suppress(OSError):
        at = follow(path)
        return descriptor(at) is not None or not stat.S_ISREG(os.stat(at).st_mode)
    return False


def open_stream(path: Path, given: Path | None = None) -> int | None:
    """Opens what is written as a stream: a device, a pipe, or what this process has open already.

    Args:
        path: where, after `follow`.
        given: how the user calls it, for the error message.

    Returns:
        A file descriptor; None where there is a plain file, or nothing.

    Raises:
        UserError: it is a folder.
        OSError: it cannot be opened, or is a named pipe that nobody reads.
    """
    number, status = descriptor(path), _status(path)
    if number is not None:
        return os.dup(number)
    if status is None or stat.S_ISREG(status.st_mode):
        return None
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{given or path} is a folder; name a file in it")
    until = time.monotonic() + _READER_SECONDS
    while True:
        try:
            stream = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            os.set_blocking(stream, True)
            return stream
        except OSError as error:
            is_pipe = stat.S_ISFIFO(status.st_mode)
            if error.errno != errno.ENXIO or not is_pipe or time.monotonic() > until:
                raise
        time.sleep(0.05)


def _shows_open_files(folder: Path) -> bool:
    """Returns whether a folder is /proc/PID/fd, whose links lead to open files, not to names."""
    parts = folder.resolve().parts
    return parts[:2] == ("/", "proc") and parts[-1] == "fd"


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = _WAYS_OUT.get(error.errno or 0, "write elsewhere")
        raise UserError(f"cannot write {path}: {error.strerror}; {hint}") from error


def _begin(target: Path, old: os.stat_result | None) -> Path:
    """Makes an empty file for the new content, beside its target if new names can be given there.

    Raises:
        OSError: it cannot be written.
    """
    building = target.with_name(f".{os.getpid()}.{target.name[-60:]}")
    if old is not None and not os.access(target, os.W_OK):  # a rename would replace it all the same
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    try:
        _make_folders(target.parent)
        building.unlink(missing_ok=True)
        file = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        if old is None or error.errno not in _SHUT:
            raise
        return _begin_elsewhere(target)
    _inherit(file, old)
    os.close(file)
    return building


def _begin_elsewhere(target: Path) -> Path:
    file, building = tempfile.mkstemp(prefix="sim2edge-", suffix=target.suffix)
    os.close(file)
    return Path(building)


def _inherit(file: int, old: os.stat_result | None) -> None:
    """Gives a new file the owner and mode of the one that it replaces."""
    if old is None:
        return
    with suppress(OSError):  # only root gives files away, and not every disk keeps modes
        os.fchown(file, old.st_uid, old.st_gid)
    with suppress(OSError):
        os.fchmod(file, stat.S_IMODE(old.st_mode))


def _put(building: Path, target: Path, old: os.stat_result | None) -> None:
    """Moves a complete file to its name; copies it where the old one is all that may be written."""
    with building.open("rb") as file:
        os.fsync(file.fileno())  # or a power cut could leave the new name without content
    try:
        os.replace(building, target)
    except OSError as error:
        if old is None or error.errno not in (*_SHUT, errno.EXDEV):
            raise
        _copy(building, os.open(target, os.O_WRONLY | os.O_TRUNC))
    else:
        _sync_name(target)


def _copy(building: Path, stream: int) -> None:
    with building.open("rb") as source, open(stream, "wb") as file:
        shutil.copyfileobj(source, file)
