"""The package in examples/my_robot goes through every command, installed or only imported.

Nothing of it is in this environment: each command is a process that finds it in a folder of its
own, and its children with it.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "my_robot"
SMALL = ["--num-envs=8", "--ppo.horizon=8", "--ppo.minibatch=32", "--ppo.epochs=1", "--threads=1"]
LINES = 150  # of Python and TOML, tests and MJCF apart


@dataclass(frozen=True)
class Shell:
    """Where `sim2edge` is called, and what it finds there."""

    folder: Path
    before: tuple[str, ...] = ()  # options in front of every command
    environment: dict[str, str] = field(default_factory=dict)

    def sim2edge(self, *words: str, code: int = 0) -> str:
        """What a command prints, which must end with this exit code; `run` may be stopped too."""
        program = [sys.executable, "-c", "from sim2edge.__main__ import main; exit(main())"]
        return self.run([*program, *self.before, *words], code)

    def run(self, words: list[str], code: int = 0) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        stopped = "run" in words and done.returncode == 1  # by the guard: it is hardly trained
        assert stopped or done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def copied(folder: Path) -> Path:
    """A copy of the example, in which building leaves its files."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    return Path(shutil.copytree(EXAMPLE, folder / "my_robot", ignore=ignored))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder of nothing, where the package is installed."""
    target, source = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("source")
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(copied(source))], check=True)
    return Shell(tmp_path_factory.mktemp("work"), environment={"PYTHONPATH": str(target)})


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The package's own folder, where it is not installed."""
    folder = copied(tmp_path_factory.mktemp("checkout"))
    return Shell(folder, before=("--import", "my_robot.task"))


@pytest.fixture(scope="module")
def policy(installed: Shell) -> str:
    """A policy of the package's task, after the briefest training."""
    installed.sim2edge("train", "PupTrot", *SMALL, "--steps=128", "--run-dir=run")
    return str(installed.folder / "run" / "policy.onnx")


def test_it_is_short() -> None:
    files = [EXAMPLE / "pyproject.toml", *(EXAMPLE / "my_robot").glob("*.py")]
    assert sum(len(file.read_text().splitlines()) for file in files) <= LINES


def test_installed_it_is_inspected_evaluated_and_driven(installed: Shell, policy: str) -> None:
    shown = installed.sim2edge("inspect", policy)
    assert "PupTrot" in shown and "feet_load" in shown
    assert "PupTrot, 4 episodes of 0.5 s" in installed.sim2edge(
        "eval", policy, "--episodes=4", "--seconds=0.5"
    )
    shown = installed.sim2edge("run", policy, "--seconds=1")
    assert "PupTrot on pup at 50 Hz" in shown


@pytest.mark.slow
def test_imported_it_trains_and_is_driven(imported: Shell) -> None:
    imported.sim2edge("train", "PupTrot", *SMALL, "--steps=64", "--run-dir=run")
    shown = imported.sim2edge("run", "run/policy.onnx", "--seconds=1")
    assert "PupTrot on pup at 50 Hz" in shown
    imported.sim2edge("urdf", "pup", "-o", "pup.urdf")
    assert '<robot name="pup"' in (imported.folder / "pup.urdf").read_text()


def test_not_imported_it_is_unknown(tmp_path: Path) -> None:
    shown = Shell(tmp_path).sim2edge("train", "PupTrot", code=2)
    assert "unknown task 'PupTrot'; there are: " in shown


def test_gymnasium_knows_its_task(installed: Shell) -> None:
    program = (
        "import gymnasium, sim\n"
        "env = gymnasium.make_vec('sim2edge/PupTrot-v0', num_envs=3, threads=1)\n"
        "observations, _ = env.reset(seed=0)\n"
        "print(observations.shape)"
    )
    assert installed.run([sys.executable, "-c", program]).startswith("(3, ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("eval", "POLICY", "--episodes=3", "--seconds=0.5", "--estimates=auto"),
        ("eval", "POLICY", "--episodes=3", "--seconds=0.5", "--engine=bullet"),
        ("eval", "POLICY", "--episodes=3", "--seconds=0.5", "--report=report.html"),
        ("eval", "POLICY", "--suite=faults", "--trials=4"),
        ("eval", "POLICY", "--suite=gauntlet", "--trials=2"),
        ("render", "POLICY", "--seconds=0.5", "-o", "film.mp4"),
        ("export", "run", "-o", "again.onnx", "--sb3", "again.zip"),
        ("urdf", "pup", "-o", "pup.urdf", "--check"),
        ("train", "--resume=run", "--steps=256"),
        ("train", "PupTrot", *SMALL, "--steps=64", "--algorithm=sac", "--run-dir=sac"),
    ],
    ids=lambda words: "-".join(w.strip("-") for w in words[:1]),
)
def test_every_command_takes_it(words: tuple[str, ...], installed: Shell, policy: str) -> None:
    installed.sim2edge(*(policy if word == "POLICY" else word for word in words))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["installed", "imported"])
def test_the_ros_graph_takes_it(
    how: str, policy: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("rclpy")
    shell: Shell = request.getfixturevalue(how)
    shell.sim2edge("run", policy, "--seconds=1")  # compiles the estimator, where nothing has yet
    mine = {**shell.environment, "XDG_CACHE_HOME": str(tmp_path), "ROS_DOMAIN_ID": "77"}
    shell = Shell(shell.folder, shell.before, mine)
    shown = shell.sim2edge("up", "pup", "--policy", policy, "--seconds=40")
    assert "active" in shown
    assert (tmp_path / "sim2edge" / "robots" / "pup.json").is_file()


@pytest.mark.slow
def test_its_own_tests_pass(imported: Shell) -> None:
    imported.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"])


def test_the_tutorial_shows_it() -> None:
    page = (ROOT / "docs" / "guides" / "tutorial.md").read_text()
    files = [EXAMPLE / "pyproject.toml", *(EXAMPLE / "my_robot").glob("*.py")]
    assert [file.name for file in files if f"\n{file.read_text()}```" not in page] == []
