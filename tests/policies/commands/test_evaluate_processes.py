"""A real `sim2edge eval` in a terminal: Ctrl-C there, and workers that are killed."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from policies.evaluation.policy_file import PolicyFile
from policies.gauntlet.gauntlet_suite import run_gauntlet
from policies.gauntlet.protocol import find_protocol
from policies.gauntlet.trial_env import GauntletRun
from sim2edge.__main__ import main as sim2edge
from tests.policies.report.page_reader import Reader
from tests.policies.results import read_results
from tests.policies.short_gauntlets import POLICIES

ROOT = Path(__file__).parents[3]
DRIVER, WALKER = POLICIES / "VehicleTrack.onnx", POLICIES / "HumanoidVelocity.onnx"
PATIENCE = 300.0  # s; all of it is seconds on a machine with nothing else to do


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Tests that run in the background ignore Ctrl-C, and so would what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Terminal:
    """`sim2edge eval` in the foreground of a terminal of its own."""

    def __init__(self, *words: object) -> None:
        self._screen, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim2edge", "eval", *map(str, words)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "150", "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)
        self.shown = ""

    def wait_for(self, pattern: str) -> None:
        """Until it shows that."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.shown):
            assert self._read(), f"ended with {self.process.wait()}: {self.shown[-3000:]}"
            assert time.monotonic() < end, self.shown[-3000:]

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def finish(self) -> int:
        """The exit code, once everything was shown."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    @property
    def text(self) -> str:
        """What it has shown, without colours and in one line."""
        return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown).split())

    def workers(self) -> list[int]:
        """Returns the processes of the second engine."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [
            pid
            for pid in map(int, path.read_text().split())
            if "bullet.worker" in command_line(pid)
        ]

    def _read(self) -> bool:
        """What was written meanwhile; False at the end."""
        if not select.select([self._screen], [], [], 1.0)[0]:
            return True
        try:
            text = os.read(self._screen, 1 << 16)
        except OSError:  # nobody has the terminal any more
            return False
        self.shown += text.decode(errors="replace")
        return bool(text)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._screen)


def command_line(pid: int) -> str:
    """Its command line, empty once it ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@contextmanager
def terminal(*words: object) -> Iterator[Terminal]:
    opened = Terminal(*words)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text('suite = "gauntlet"\n[driving]\nlap_seconds = 1.0\n')
    return path


@pytest.mark.slow
@pytest.mark.parametrize("engine", [pytest.param("mujoco", marks=pytest.mark.slow), "bullet"])
def test_ctrl_c_keeps_and_reports_the_trials_that_finished(
    engine: str, suite: Path, tmp_path: Path
) -> None:
    if engine == "bullet":
        pytest.importorskip("pybullet")
    kept, page = tmp_path / "kept.json", tmp_path / "page.html"
    words = (DRIVER, "--suite", suite, "--trials", 1000, "--engine", engine)
    with terminal(*words, "--json", kept, "--report", page, "--films", tmp_path / "films") as shell:
        shell.wait_for(rf"gauntlet in {engine}.* [1-9]\d*%")
        workers = shell.workers()
        shell.type("\x03")
        assert shell.finish() == 1, shell.shown[-3000:]
    assert bool(workers) == (engine == "bullet")
    assert not any(map(command_line, workers))
    (result,) = read_results(kept)
    assert result.interrupted and 0 < len(result.trials) < result.planned == 1000
    said = f"interrupted: {len(result.trials)} of 1000 trials had finished"
    assert said in result.note and said in shell.text
    read = Reader(page.read_text())
    assert said in read.text and "There are no films: the evaluation was interrupted" in read.text
    assert not (tmp_path / "films").exists()
    policy, protocol = PolicyFile.find(DRIVER), find_protocol(str(suite))
    some = [trial.trial for trial in result.trials[:2]]
    again = run_gauntlet(policy, protocol, GauntletRun(some, engine=engine))
    assert again.trials == result.trials[:2]


def test_ctrl_c_in_one_engine_leaves_the_other_out_and_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pybullet")
    kept = tmp_path / "kept.json"
    words = (WALKER, "--episodes", 16, "--seconds", 1000, "--engine", "both", "--json", kept)
    with terminal(*words) as shell:
        shell.wait_for(r"episodes in mujoco.* [1-9]\d*%")
        shell.type("\x03")
        assert shell.finish() == 1, shell.shown[-3000:]
    document = json.loads(kept.read_text())
    assert document["notes"]["mujoco"].startswith("interrupted: ")
    assert document["notes"]["bullet"] == "not played, for the evaluation was interrupted"
    assert "bullet: not played" in shell.text
    assert document["engines"]["bullet"]["survival"] is None


@pytest.mark.slow
def test_a_killed_worker_costs_no_trial(suite: Path, tmp_path: Path) -> None:
    pytest.importorskip("pybullet")
    kept = tmp_path / "kept.json"
    words = (DRIVER, "--suite", suite, "--trials", 40, "--engine", "bullet", "--seed", 5)
    with terminal(*words, "--json", kept) as shell:
        shell.wait_for(r"gauntlet in bullet.* [1-9]\d*%")
        os.kill(shell.workers()[-1], signal.SIGKILL)
        assert shell.finish() == 0, shell.shown[-3000:]
    (result,) = read_results(kept)
    assert [trial.trial for trial in result.trials] == list(range(40))
    assert re.search(
        r"the physics process of simulations \d+ to \d+ ended by signal 9: reran trials",
        result.note,
    )
    assert "ended by signal 9: reran trials" in shell.text
    policy, protocol = PolicyFile.find(DRIVER), find_protocol(str(suite))
    again = run_gauntlet(policy, protocol, GauntletRun([0, 39], seed=5, engine="bullet"))
    assert again.trials == (result.trials[0], result.trials[39])


@pytest.mark.slow
def test_episodes_of_a_killed_worker_are_played_again(tmp_path: Path) -> None:
    pytest.importorskip("pybullet")
    kept, calm = tmp_path / "kept.json", tmp_path / "calm.json"
    words = (DRIVER, "--episodes", 8, "--seconds", 2, "--engine", "bullet", "--json")
    with terminal(*words, kept) as shell:
        shell.wait_for(r"episodes in bullet.* [1-9]\d*%")
        os.kill(shell.workers()[0], signal.SIGKILL)
        assert shell.finish() == 0, shell.shown[-3000:]
    assert sim2edge(["eval", *map(str, words), str(calm)]) == 0
    killed, undisturbed = (json.loads(path.read_text()) for path in (kept, calm))
    assert killed["result"] == undisturbed["result"]
    assert killed["notes"]["bullet"].endswith("ended by signal 9: played all episodes again")
    assert undisturbed["notes"] == {}
