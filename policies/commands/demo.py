"""Runs `sim2edge demo`: the whole path, from trained policies on the edge runtime to a new
training.

Every step is a command that is printed before it runs.
"""

import json
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.child_program import child_program
from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.errors import UserError
from edge_runtime.files import make_folder, new_folder
from edge_runtime.policy.inference import Policy
from policies.evaluation.quantities import unit
from policies.train.recipes import recipe
from sim.engines.choice import MUJOCO
from sim.tasks.task import find_robot_task

SIZE = ("--width", 640, "--height", 360)  # of the films
LONGEST_FILM = 8.0  # s; without a graphics card a second of film takes several
# What each robot is asked to do: forward, lateral m/s and yaw rad/s for the humanoid.
COMMANDS = {"HumanoidVelocity": ("0.6", "0", "0.2"), "VehicleTrack": ()}

LEARNT = "VehicleTrack"  # a car keeps to its track after 1 in 20 of the steps of a whole training
SHOWN = ("survival", "laps", "speed", "return")  # what it changes


@dataclass(frozen=True)
class DemoConfig:
    """See both robots driven by the edge runtime, and a car learn to drive."""

    out: Path = Path("out")
    """Where reports, films and the training go."""
    seconds: float = setting(
        12.0, "How long each robot is driven.", "s", at_least=0.1, at_most=LONGEST
    )
    steps: int = setting(400_000, "Control steps of the training.", above=0)
    minutes: float = setting(
        15.0,
        "Longest time to train; 0 leaves the training out.",
        "min",
        at_least=0,
        at_most=LONGEST,
    )


def main(config: DemoConfig) -> int:
    """Runs the command.

    Raises:
        UserError: a step failed.
    """
    started = time.monotonic()
    made: list[Path] = []
    print(_announcement(config), flush=True)
    for task, command in COMMANDS.items():
        made += _drive(config, task, command)
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
    whole = recipe(LEARNT).steps
    return (
        f"This takes some {3 + round(config.steps / 200_000)} minutes on two free cores: {drives}; "
        f"then a car learns from scratch in {config.steps:,} steps. That is enough to keep to its "
        f"track, not to race on it; a whole training has {whole:,} steps."
    )


def _drive(config: DemoConfig, task: str, command: tuple[str, ...]) -> list[Path]:
    """Drives the simulated robot in real time with the edge runtime, then films what it did."""
    _say(f"{task}: drive the simulated robot in real time with the edge runtime")
    report = config.out / task
    recording, film = report / "motion.npz", report / "film.mp4"
    make_folder(report)
    arguments = ["run", task, "--seconds", config.seconds, "--report", report]
    arguments += ["--record", recording]
    if command:
        arguments += ["--command", *command]
    _sim2edge(*arguments)
    length = ("--seconds", min(config.seconds, LONGEST_FILM))
    look = ("--contacts", *length, *SIZE)
    _sim2edge("render", task, "--recording", recording, "--output", film, *look)
    return [report / "report.json", report / "latency.svg", film]


def _train(config: DemoConfig) -> list[Path]:
    """Trains for a moment, evaluates, resumes the training, evaluates again, and films both."""
    _say(f"{LEARNT}: train from scratch")
    run = new_folder(config.out, f"training-{time.strftime('%H-%M-%S')}")
    _sim2edge("train", LEARNT, "--run-dir", run, "--steps", 1)  # one rollout
    first = _evaluated(run, config.out / "before")
    more = ("--steps", config.steps, "--minutes", config.minutes)
    _sim2edge("train", "--resume", run, *more)
    later = _evaluated(run, config.out / "after")
    print(f"\n{'mean (5 to 95 %)':18}{first.title:>32}{later.title:>32}")
    for name in SHOWN:
        print(f"{name:18}{first.cell(name):>32}{later.cell(name):>32}")
    film = config.out / "training.mp4"
    _sim2edge("render", first.policy, later.policy, "--output", film, "--seconds", 8, *SIZE)
    return [run, film]


@dataclass(frozen=True)
class _Evaluated:
    """Holds a policy file of the training, and what its episodes measured."""

    policy: Path
    document: dict[str, Any]

    @property
    def title(self) -> str:
        return f"after {Policy.load(self.policy).contract.provenance.steps:,} steps"

    def cell(self, name: str) -> str:
        """Returns a share in per cent, or the mean over the episodes and their spread."""
        mean, spread = self.document["result"][name], self.document["spread"][MUJOCO].get(name)
        if not spread:
            return f"{mean:.0%}"
        measured_in = unit(name, find_robot_task(LEARNT).metric_units)
        return f"{mean:.3g} {measured_in}".strip() + f" ({spread[0]:.3g} to {spread[1]:.3g})"


def _evaluated(run: Path, stem: Path) -> _Evaluated:
    policy, result = stem.with_suffix(".onnx"), stem.with_suffix(".json")
    _sim2edge("export", run, "--output", policy)
    _sim2edge("eval", policy, "--episodes", 50, "--seconds", 10, "--json", result)
    return _Evaluated(policy, json.loads(result.read_text(encoding="utf-8")))


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
