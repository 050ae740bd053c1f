"""Files appear whole or not at all; what is no plain file is written to, and links are followed."""

import errno
import os
import resource
import socket
import stat
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime import files
from edge_runtime.errors import UserError
from edge_runtime.files import check_output, descriptor, read_file, replacing, write_file
from edge_runtime.recording.block_file import BlockFile


def test_writes_into_new_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_file(path, "first")
    write_file(path, b"second")
    assert path.read_text() == "second"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_file(path, "kept")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot write .*report\.json: File too large; make"):
            write_file(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_the_text_of_a_path_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    write_file(tmp_path / "page.html", f"<p>{os.fsdecode(b'caf' + bytes([0xE9]))}</p>")
    assert (tmp_path / "page.html").read_bytes() == b"<p>caf\\udce9</p>"


@contextmanager
def received(path: Path) -> Iterator[list[bytes]]:
    """Reads what is written to a named pipe."""
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    yield got
    reader.join(10)


class TestWhatIsNoPlainFile:
    def test_a_device_stays_one(self) -> None:
        write_file(Path("/dev/null"), "gone")
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
        with pytest.raises(UserError, match="cannot write /dev/full: No space left on device"):
            write_file(Path("/dev/full"), "x")

    def test_a_pipe_gets_the_content(self, tmp_path: Path) -> None:
        with received(tmp_path / "pipe") as got:
            write_file(tmp_path / "pipe", "through")
        assert got == [b"through"]
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    def test_a_pipe_that_nobody_reads_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "_READER_SECONDS", 0.1)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UserError, match="pipe: .*; nobody reads what is written there"):
            write_file(tmp_path / "pipe", "x")

    def test_an_open_file_of_a_shell_is_written_to(self) -> None:
        reading, writing = os.pipe()
        try:
            assert descriptor(Path(f"/dev/fd/{writing}")) == writing
            write_file(Path(f"/dev/fd/{writing}"), "through")
            assert os.read(reading, 100) == b"through"
        finally:
            os.close(reading)
            os.close(writing)

    def test_a_socket_is_refused(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "socket"))
            with pytest.raises(UserError, match="cannot write .*socket"):
                write_file(tmp_path / "socket", "x")

    def test_a_log_is_streamed(self, tmp_path: Path) -> None:
        with received(tmp_path / "pipe") as got:
            log = BlockFile(tmp_path / "pipe", 1000)
            log.append(1, b"block")
            log.close()
        assert b"block" in got[0]
        BlockFile(Path("/dev/null"), 1000).close()
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


class TestLinks:
    @pytest.fixture
    def link(self, tmp_path: Path) -> Path:
        (tmp_path / "runs").mkdir()
        (tmp_path / "latest").symlink_to("runs/now")
        (tmp_path / "link").symlink_to("latest")
        return tmp_path / "link"

    @pytest.mark.parametrize("exists", [True, False])
    def test_the_file_behind_a_link_is_written(self, link: Path, exists: bool) -> None:
        if exists:
            (link.parent / "runs" / "now").write_text("old")
        write_file(link, "new")
        assert (link.parent / "runs" / "now").read_text() == "new"
        assert link.is_symlink() and (link.parent / "latest").is_symlink()
        assert len(list((link.parent / "runs").iterdir())) == 1

    def test_a_log_behind_a_link_is_kept_beside_it(self, link: Path) -> None:
        now = link.parent / "runs" / "now"
        now.write_text("old")
        now.chmod(0o660)
        log = BlockFile(link, 1000)
        log.append(1, b"block")
        log.close()
        assert link.is_symlink()
        assert stat.S_IMODE(now.stat().st_mode) == 0o660
        assert now.with_name("now~").read_text() == "old"

    def test_a_circle_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        for refused in (write_file, lambda path, _: BlockFile(path, 1000)):
            with pytest.raises(UserError, match="a: Too many levels of symbolic links"):
                refused(tmp_path / "a", "x")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_the_mode_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "policy.onnx"
    path.write_text("old")
    path.chmod(mode)
    with replacing(path) as building:
        assert building.suffix == ".onnx"
        assert stat.S_IMODE(building.stat().st_mode) == mode
        building.write_text("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)
    umask = os.umask(0o027)
    write_file(tmp_path / "new", "x")
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("where", ["open", "replace"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EBUSY])
def test_a_file_that_alone_may_be_written_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    """As one that is mounted into a container, or lies in a folder of somebody else's."""
    path = tmp_path / "policy.onnx"
    path.write_text("old, and longer")
    real = getattr(os, where)

    def refused(what: Path, *rest: object) -> object:
        if Path(what).parent == tmp_path and Path(what).name.startswith("."):
            raise OSError(number, os.strerror(number))
        return real(what, *rest)

    monkeypatch.setattr(os, where, refused)
    write_file(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(UserError, match="cannot write"):
        write_file(tmp_path / "other", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["policy.onnx"]


def test_a_write_protected_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a rename, which asks for the folder's right alone, would replace it."""
    path = tmp_path / "policy.onnx"
    path.write_text("old")
    path.chmod(0o444)
    may = os.access
    monkeypatch.setattr(  # root, as which tests may run, has every right
        os, "access", lambda at, mode: Path(at) != path and may(at, mode)
    )
    for refused in (check_output, lambda at: write_file(at, "new")):
        with pytest.raises(UserError, match="Permission denied; ask for the right to it"):
            refused(path)
    assert path.read_text() == "old"


REFUSED = {
    "a folder": ("folder", "is a folder; name a file in it"),
    "below a file": ("file/below", "Not a directory"),
    "too long": ("n" * 300, "File name too long"),
    "below a device": ("/dev/null/x", "Not a directory"),
    "in /proc": ("/proc/x", "No such file or directory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_one_line_before_and_after_the_work(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path, why = tmp_path / REFUSED[name][0], REFUSED[name][1]
    for refused in (check_output, lambda at: write_file(at, "x")):
        with pytest.raises(UserError, match=why) as error:
            refused(path)
        assert "\n" not in str(error.value)


def test_what_can_be_written_is_not_touched_by_a_check(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    for name in ("old", "new", "a/b/new", "pipe", "/dev/null", "/dev/stdout"):
        check_output(tmp_path / name)
    assert (tmp_path / "old").read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old", "pipe"]


class TestReading:
    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("missing", "cannot read policy .*: No such file or directory"),
            ("folder", "is a folder; name a file"),
            ("pipe", "is a pipe; name a file"),
            ("/dev/zero", "is a device; name a file"),
            ("large", "is too large; 0.001 MB are the most"),
            ("circle", "Too many levels of symbolic links"),
        ],
    )
    def test_what_is_no_file_is_one_line(self, tmp_path: Path, name: str, why: str) -> None:
        (tmp_path / "folder").mkdir()
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "circle").symlink_to("circle")
        with (tmp_path / "large").open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(UserError, match=why):
            read_file(tmp_path / name, "policy", 1000)

    def test_what_a_shell_has_opened_is_read(self, tmp_path: Path) -> None:
        with subprocess.Popen(["echo", "through"], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            path = Path(f"/dev/fd/{process.stdout.fileno()}")
            assert read_file(path, "policy", 1000) == b"through\n"


def test_a_small_file_takes_little_memory_however_large_it_may_be(tmp_path: Path) -> None:
    """Memory may be locked, and then what is only reserved has to be there too."""
    (tmp_path / "policy.onnx").write_bytes(b"small")
    tracemalloc.start()
    assert read_file(tmp_path / "policy.onnx", "policy", 2**30) == b"small"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**22


@pytest.mark.parametrize(("size", "fits"), [(0, True), (2_500_000, True), (2_500_001, False)])
def test_a_long_pipe_is_read_to_its_end(size: int, fits: bool) -> None:
    reader, writer = os.pipe()
    written, path = os.urandom(size), Path(f"/dev/fd/{reader}")
    with open(writer, "wb") as file:
        thread = threading.Thread(target=lambda: (file.write(written), file.close()))
        thread.start()
        if fits:
            assert read_file(path, "policy", 2_500_000) == written
        else:
            with pytest.raises(UserError, match=r"policy /dev/fd/\d+ is too large"):
                read_file(path, "policy", 2_500_000)
        thread.join(10.0)
    os.close(reader)
