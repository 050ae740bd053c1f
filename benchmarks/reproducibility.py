"""Checks whether training repeats bit by bit: twice with one seed, and with a resume in between.

Each training is a process of its own, as a user starts it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, parse_arguments, report

from policies.train.run_folder import RunFolder

ENVS, HORIZON = 64, 64
TASKS = ("HumanoidVelocity", "VehicleTrack")


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    algorithms = ("ppo",) if arguments.quick else ("ppo", "sac", "tqc")
    half = ENVS * HORIZON * (1 if arguments.quick else 4)
    figures = []
    for task in TASKS:
        for algorithm in algorithms if task == TASKS[0] else ("ppo",):
            with tempfile.TemporaryDirectory() as folder:
                figures += reproduced(task, algorithm, half, Path(folder))
    return report(figures, arguments.json)


def reproduced(task: str, algorithm: str, half: int, folder: Path) -> list[Figure]:
    """Compares three trainings of 2N steps: one, the same again, and one stopped after N."""
    options = [task, "--algorithm", algorithm, "--num-envs", str(ENVS)]
    options += ["--ppo.horizon", str(HORIZON), "--ppo.minibatch", "512"]
    options += ["--sac.learning-starts", str(half // 2), "--sac.buffer-size", "20000"]
    for name, steps in (("once", 2 * half), ("again", 2 * half), ("halved", half)):
        train(*options, "--steps", str(steps), "--run-dir", str(folder / name))
    at_half = weights(folder / "halved")
    train("--resume", str(folder / "halved"), "--steps", str(2 * half))
    once, again, halved = (weights(folder / name) for name in ("once", "again", "halved"))
    trained = different(once, at_half)
    peer = f"{trained} of {len(once)} between N and 2N steps"

    def figure(what: str, other: dict[str, Any]) -> Figure:
        return Figure(
            f"{task}, {algorithm}: {what}",
            different(once, other),
            "arrays that differ",
            target=0,
            peer=peer,
            at_least=False,
        )

    return [
        figure("the same seed twice", again),
        figure(f"N + N steps against 2N, N = {half:,}", halved),
    ]


def train(*options: str) -> None:
    """Runs `sim2edge train` quietly."""
    command = [sys.executable, "-m", "sim2edge", "train", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def weights(run: Path) -> dict[str, Any]:
    """Returns networks, optimizers and normalizer of a run's checkpoint, by name."""
    return dict(_flat(RunFolder(run).load()["parameters"], ""))


def different(one: dict[str, Any], other: dict[str, Any]) -> int:
    """Returns how many arrays differ in any bit."""
    return sum(one[name].tobytes() != other[name].tobytes() for name in one)


def _flat(tree: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _flat(value, f"{path}/{key}")]
    if isinstance(tree, list | tuple):
        return [leaf for i, value in enumerate(tree) for leaf in _flat(value, f"{path}/{i}")]
    return [(path, tree)] if isinstance(tree, np.ndarray) else []


if __name__ == "__main__":
    sys.exit(main())
