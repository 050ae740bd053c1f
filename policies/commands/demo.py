"""Runs `sim2edge demo`: the whole path, from trained policies on the edge runtime to a new
training.

Every step is a command that is printed before it runs.
"""

import json
import shlex
import subprocess
import time
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from edge_runtime.child_program import child_program
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.files import make_folder, new_folder

SIZE = ("--width", 640, "--height", 360)  # of the films
LONGEST_FILM = 8.0  # s; without a graphics card a second of film takes several
# What each robot is asked to do: forward, lateral m/s and yaw rad/s for the humanoid.
COMMANDS = {"HumanoidVelocity": ("0.6", "0", "0.2"), "VehicleTrack": ()}

# In minutes a humanoid learns to walk where nothing disturbs it.
EASY = ("--task.no-noise", "--task.randomization.no-enabled", "--task.pushes.no-enabled")


@dataclass(frozen=True)
class DemoConfig:
    """See both robots driven by the edge runtime, and a humanoid learn its first steps."""

    out: Path = Path("out")
    """Where reports, films and the training go."""
    seconds: float = setting(12.0, "How long each robot is driven.", "s", above=0)
    minutes: float = setting(4.0, "How long is trained; 0 leaves it out.", "min", at_least=0)


def main(config: DemoConfig) -> int:
    """Runs the command.

    Raises:
        UserError: a step failed.
    """
    started = time.monotonic()
    made: list[Path] = []
    print(_announcement(config), flush=True)
    for task, command in COMMANDS.items():
        with as_file(files("assets").joinpath(f"policies/{task}.onnx")) as policy:
            made += _drive(config, task, policy, command)
    if config.minutes > 0:
        made += _train(config)
    print(f"\nThat took {(time.monotonic() - started) / 60:.1f} minutes. Now look at:")
    for path in made:
        print(f"  {path}")
    return 0


def _announcement(config: DemoConfig) -> str:
    """Returns what is going to happen, and how long it takes on two cores."""
    drives = f"both robots drive for {config.seconds:g} s each and are filmed"
    if not config.minutes:
        return f"This takes some 3 minutes: {drives}."
    return (
        f"This takes some {config.minutes + 4:.0f} minutes: {drives}; then a humanoid learns from "
        f"scratch for {config.minutes:g} minutes. That is enough to stand longer and to begin to "
        "step, not to walk; a whole training takes some 25 minutes."
    )


def _drive(config: DemoConfig, task: str, policy: Path, command: tuple[str, ...]) -> list[Path]:
    """Drives the simulated robot in real time with the edge runtime, then films what it did."""
    if not policy.exists():
        raise UserError(f"{policy} is missing; make it with 'sim2edge train {task}'")
    _say(f"{task}: drive the simulated robot in real time with the edge runtime")
    report = config.out / task
    recording, film = report / "motion.npz", report / "film.mp4"
    make_folder(report)
    arguments = ["run", policy, "--seconds", config.seconds, "--report", report]
    arguments += ["--record", recording]
    if command:
        arguments += ["--command", *command]
    _sim2edge(*arguments)
    length = ("--seconds", min(config.seconds, LONGEST_FILM))
    look = ("--contacts", *length, *SIZE)
    _sim2edge("render", policy, "--recording", recording, "--output", film, *look)
    return [report / "report.json", report / "latency.svg", film]


def _train(config: DemoConfig) -> list[Path]:
    """Trains for moments, evaluates, resumes the training, and evaluates again."""
    _say("HumanoidVelocity: train from scratch, in an easy world")
    run = new_folder(config.out, f"training-{time.strftime('%H-%M-%S')}")
    _sim2edge("train", "HumanoidVelocity", *EASY, "--run-dir", run, "--minutes", 0.05)
    before = _evaluate(run, config.out / "before.json")
    _sim2edge("train", "--resume", run, "--minutes", config.minutes)
    after = _evaluate(run, config.out / "after.json")
    print(f"\n{'':26}{'at first':>12}{f'after {config.minutes:g} min':>16}")
    for name in ("episode_seconds", "return"):
        print(f"{name.replace('_', ' '):26}{before[name]:12.1f}{after[name]:16.1f}")
    film = config.out / "training.mp4"
    forward = ("--command", "0.5", "0", "0")
    _sim2edge("render", run, "--output", film, "--seconds", 5, *forward, *SIZE)
    return [run, film]


def _evaluate(run: Path, result: Path) -> dict[str, float]:
    _sim2edge("eval", run, "--episodes", 50, "--seconds", 10, "--json", result)
    summary: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))["result"]
    return summary


def _say(what: str) -> None:
    print(f"\n── {what}", flush=True)


def _sim2edge(*arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    print(f"$ sim2edge {shlex.join(words)}", flush=True)
    # In a session of its own, so that a signal reaches it through this process alone.
    process = subprocess.Popen([*child_program("sim2edge"), *words], start_new_session=True)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()  # the robot comes to rest, or the training is saved, before it ends
        process.wait()
        raise
    if code:
        raise UserError(f"'sim2edge {words[0]}' ended with exit code {code}")
