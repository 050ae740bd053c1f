"""Real processes on every kind of output and in every locale."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
POLICY = Path(__file__).parents[2] / "assets" / "policies" / "VehicleTrack.onnx"
WRITERS: dict[str, str] = {
    "urdf": "urdf humanoid -o",
    "render": f"render {POLICY} --seconds 0.2 --width 64 --height 64 -o",
    "export": "export VehicleTrack -o",
    "eval json": f"eval {POLICY} --episodes 2 --seconds 1 --json",
    "eval junit": f"eval {POLICY} --episodes 2 --seconds 1 --junit",
    "eval report": f"eval {POLICY} --episodes 2 --seconds 1 --report",
    "run record": f"run {POLICY} --seconds 0.4 --report out --record",
    "run log": f"run {POLICY} --seconds 0.4 --report out --log",
}
SUFFIX = {"render": ".mp4", "urdf": ".urdf"}


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", re.sub(r"(?<![\w/])sim2edge ", f"{sys.executable} -m sim2edge ", line)],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240,
        env=os.environ | environment,
    )


def sound(done: subprocess.CompletedProcess[str], codes: tuple[int, ...] = (0, 1)) -> None:
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr and "Error" not in done.stderr


@pytest.mark.parametrize("name", WRITERS)
def test_links_modes_devices_and_pipes(name: str, tmp_path: Path) -> None:
    command, suffix = f"sim2edge {WRITERS[name]}", SUFFIX.get(name, "")
    real, link = tmp_path / f"real{suffix}", tmp_path / f"link{suffix}"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real.name)
    sound(shell(f"{command} {link.name}", tmp_path))
    assert link.is_symlink() and real.stat().st_size > 100
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    device = tmp_path / f"null{suffix}"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    sound(shell(f"{command} {device.name}", tmp_path))
    assert stat.S_ISCHR(device.stat().st_mode)
    if not suffix or name == "urdf":  # a film's format is that of its name
        done = shell(f"{command} >(wc -c > count); wait; sleep 0.5", tmp_path)
        sound(done)
        assert int((tmp_path / "count").read_text()) > 100


@pytest.mark.parametrize(
    "name", ["urdf", "export", "eval json", "eval junit", "eval report", "run record", "run log"]
)
def test_a_file_on_stdout_is_whole(name: str, tmp_path: Path) -> None:
    done = shell(f"sim2edge {WRITERS[name]} /dev/stdout > whole", tmp_path)
    sound(done)
    whole = (tmp_path / "whole").read_bytes()
    begins = {
        "urdf": b"<?xml",
        "export": b"\x08",  # the version of an ONNX model
        "eval json": b"{",
        "eval junit": b"<?xml",
        "eval report": b"<!doctype html>",
        "run record": b"PK",
    }
    assert whole.startswith(begins.get(name, b"\x93s2e blk"))
    assert done.stderr  # the messages


READERS: dict[str, str] = {
    "help": "train HumanoidVelocity --help",
    "inspect": f"inspect {POLICY}",
    "urdf": "urdf humanoid -o robot.urdf",
    "eval": f"eval {POLICY} --episodes 2 --seconds 1",
    "run": f"run {POLICY} --seconds 0.4 --report out",
    "refusal": "inspect 'żółw→.onnx'",
}
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "koi8": {"PYTHONIOENCODING": "koi8-r"},
    "dumb": {"TERM": "dumb", "NO_COLOR": "1"},
}
STDOUTS = {"closed": ">&- 2>&-", "closed input": "<&-", "ended": "| true", "full": "> /dev/full"}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", READERS)
def test_every_locale(name: str, locale: str, tmp_path: Path) -> None:
    done = shell(f"sim2edge {READERS[name]}", tmp_path, **LOCALES[locale])
    sound(done, (2,) if name == "refusal" else (0, 1))
    if name == "refusal":
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("where", STDOUTS)
@pytest.mark.parametrize("name", READERS)
def test_every_stdout(name: str, where: str, tmp_path: Path) -> None:
    done = shell(f"sim2edge {READERS[name]} {STDOUTS[where]}", tmp_path)
    sound(done, (0, 1, 2))
    if name == "run":  # nothing that is printed matters more than the robot
        assert (tmp_path / "out" / "report.json").exists()
    if where == "full" and name != "refusal":
        assert "sim2edge: standard output: No space left on device; make room" in done.stderr


def test_nothing_can_be_written(tmp_path: Path) -> None:
    """A service without a home, whose install is read-only: every command works, with one note."""
    if shutil.which("unshare") is None or os.getuid() != 0:
        pytest.skip("only root mounts the install read-only")
    house = Path(__file__).parents[2]
    mount = f"mount --bind {house} {house} && mount -o remount,ro,bind {house} &&"
    away = {"HOME": "/dev/null/nobody", "XDG_CACHE_HOME": "", "TMPDIR": str(tmp_path)}
    for command in (READERS["run"], READERS["eval"], WRITERS["render"] + " film.mp4"):
        line = f"unshare -m bash -c '{mount} sim2edge {command}'"
        done = shell(line, tmp_path, **away)
        if "mount" in done.stderr or "unshare" in done.stderr:
            pytest.skip("no mounts here")
        sound(done)
        assert done.stderr.count("compiled code is kept in") <= 1
