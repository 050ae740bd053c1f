"""Every signal that asks a process to end, in every command that goes on for long."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.stop_signals import Ended, ending, interruptible, stop_signals

INT, TERM, HUP, TSTP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (INT, TERM, HUP)}
    signal.signal(HUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)
        time.sleep(0)  # handlers run between two steps of the interpreter


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_each_signal_sets_the_event_and_raises_elsewhere(number: signal.Signals) -> None:
    with interruptible(1) as event:
        assert not event.is_set()
        send(number)
        assert event.is_set()
    if number != INT:
        signal.signal(number, signal.SIG_DFL)
        with pytest.raises(Ended, match=f"ended by {number.name}") as raised, ending():
            send(number)
        assert raised.value.exit_code == 128 + number


def test_nohup_is_obeyed() -> None:
    signal.signal(HUP, signal.SIG_IGN)
    assert stop_signals() == (INT, TERM)
    with ending(), interruptible(1) as event:
        send(HUP)
        assert not event.is_set()


@pytest.mark.parametrize("first", [TERM, HUP])
def test_a_lost_terminal_is_not_impatient(first: signal.Signals) -> None:
    """The kernel and the shell both send SIGHUP, and systemd sends it behind SIGTERM."""
    with ending():
        with interruptible(2) as event:
            send(first, HUP, HUP)
            event.clear()
            send(HUP)
            assert not event.is_set()
            send(TERM)
            assert event.is_set()
            assert signal.getsignal(TERM) is signal.SIG_DFL  # the third ends even what hangs
        send(HUP)  # of the same lost terminal, while files are closed


PROGRAMS: dict[str, tuple[str, ...]] = {
    "train": (
        *("train", "HumanoidVelocity", "--num-envs", "8", "--ppo.horizon", "8"),
        *("--ppo.minibatch", "32", "--run-dir", "run"),
    ),
    "train sac": (
        *("train", "VehicleTrack", "--algorithm", "sac", "--num-envs", "4"),
        *("--sac.learning-starts", "64", "--run-dir", "run"),
    ),
    "run": ("run", "POLICY", "--seconds", "0", "--report", "out", "--log", "log.s2elog"),
    "eval": ("eval", "POLICY", "--episodes", "800", "--seconds", "60"),
    "eval suite": ("eval", "POLICY", "--suite", "gauntlet", "--films", "films"),
    "fuse": ("fuse", "log.csv"),
    "render": ("render", "POLICY", "--seconds", "60", "-o", "film.mp4"),
    "demo": ("demo", "--seconds", "60", "--minutes", "0"),
}
"""Commands that go on for long, and what shows that they are under way."""
UNDER_WAY: dict[str, Callable[[Path], bool]] = {
    "train": lambda folder: any(folder.glob("run/checkpoint.pt")),
    "train sac": lambda folder: any(folder.glob("run/checkpoint.pt")),
    "run": lambda folder: (folder / "log.s2elog").exists() and "Hz" in said(folder),
    "eval": lambda folder: False,
    "eval suite": lambda folder: False,
    "fuse": lambda folder: False,
    "render": lambda folder: any(folder.glob(".*film.mp4*")),
    "demo": lambda folder: " Hz, " in said(folder),
}


IN_SECONDS = {"eval": 15, "eval suite": 15, "fuse": 6}  # those that do not say so are under way


def write_long_recording(path: Path) -> None:
    """An IMU at rest for five hours, which takes a while to read and to replay."""
    with path.open("w") as file:
        file.write("time,gx,gy,gz,ax,ay,az\n")
        for row in range(1_800_000):
            file.write(f"{row / 100:.2f},{row % 7 * 1e-4:.4f},0,0,0,{row % 5 * 1e-3:.3f},9.81\n")


def said(folder: Path) -> str:
    return (folder / "stdout").read_text()


ENDS = [
    *((name, number, False) for name in PROGRAMS for number in (INT, TERM, HUP)),
    *((name, HUP, True) for name in PROGRAMS),  # as under nohup
    ("run", TSTP, False),  # Ctrl-Z would freeze the loop of a robot
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number", "ignored"), ENDS)
def test_every_command_ends_in_order(
    name: str, number: signal.Signals, ignored: bool, tmp_path: Path
) -> None:
    policy = Path(__file__).parents[2] / "assets" / "policies" / "HumanoidVelocity.onnx"
    words = [str(policy) if word == "POLICY" else word for word in PROGRAMS[name]]
    if name.startswith("train"):
        words += ["--checkpoint-seconds", "0"]
    elif name == "fuse":
        write_long_recording(tmp_path / "log.csv")

    def inherited() -> None:
        signal.signal(INT, signal.default_int_handler)
        signal.signal(HUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "sim2edge", *words],
            cwd=tmp_path,
            stdout=out,
            stderr=errors,
            start_new_session=True,
            preexec_fn=inherited,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        until = time.monotonic() + IN_SECONDS.get(name, 60)
        while time.monotonic() < until and not UNDER_WAY[name](tmp_path):
            assert process.poll() is None, (tmp_path / "stderr").read_text()
            time.sleep(0.1)
        os.killpg(process.pid, number)
        if ignored:
            time.sleep(2.0)
            assert process.poll() is None
            os.killpg(process.pid, TERM)
        code = process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    complaint = (tmp_path / "stderr").read_text()
    assert "Traceback" not in complaint
    last = TERM if ignored else number
    command = name.split()[0]
    codes = {"train": (0,), "run": (0, 1), "eval": (1, 128 + last)}
    assert code in codes.get(command, (128 + last,))
    if command == "train":
        assert "sim2edge train --resume run" in said(tmp_path)
    elif name == "run":
        assert "report: out" in said(tmp_path)
        assert (tmp_path / "out" / "report.json").exists()
    elif name == "demo":
        assert (tmp_path / "out" / "HumanoidVelocity" / "report.json").exists()
    assert [path for path in tmp_path.rglob(".*") if path.is_file()] == []
