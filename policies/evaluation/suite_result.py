"""Holds what a suite of trials found: plain data, the same for every suite, robot and engine."""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.config.config_file import to_json
from edge_runtime.files import write_file
from policies.evaluation.measures import Values, mean_of_known
from sim.envs.vector_env import MODEL

# The figures that the trials of every suite have.
TRIAL_FIGURES: tuple[str, ...] = ("completed", "seconds")
PUSHES = "pushes_survived"  # the figure of trials with pushes
SURVIVAL = "survival"  # that of trials which a fall may end, or leaving the track


@dataclass(frozen=True)
class PushResult:
    """Describes one push that a robot received."""

    time: float
    """When it came, s since the trial began."""
    direction: float
    """rad, of the force in the robot's heading frame: 0 forward, π/2 to the left."""
    force: float
    """N."""
    survived: bool
    """Whether the robot did not fall before it could be blamed on something else."""


@dataclass(frozen=True)
class TrialResult:
    """Describes one trial: what was drawn for it, and how it went."""

    trial: int
    """The trial's number within the suite; with the seed it decides all that is random in it."""
    seed: int
    """The suite's seed."""
    engine: str
    """What moved the robot."""
    settings: Mapping[str, float]
    """What was drawn, with the unit in the name where there is one: payload_kg, friction."""
    success: bool
    """Completed."""
    seconds: float
    """How long the trial lasted."""
    why: str
    """A sentence on how it ended."""
    metrics: Mapping[str, float]
    """Finite numbers; one that this trial does not have is left out."""
    pushes: tuple[PushResult, ...] = ()
    """The pushes, in the order of their times."""


@dataclass(frozen=True)
class SuiteResult:
    """Holds all finished trials of one policy in one engine, in the order of their numbers."""

    suite: str
    policy: str
    """Where the policy was read from."""
    task: str
    engine: str
    trials: tuple[TrialResult, ...]
    note: str = ""
    """What a reader must know: interrupted, rerun trials. Empty when all went as planned."""
    seed: int = 0
    planned: int = 0
    """How many trials were asked for."""
    source: str = ""
    """The suite file, or empty for the published protocol."""
    interrupted: bool = False
    """Whether the user ended the suite before all trials had finished."""
    estimates: str = MODEL
    """Where attitude and velocity came from; see `TaskVectorEnv`."""

    @property
    def success(self) -> float:
        """Returns the share of the finished trials that completed; NaN without any."""
        return mean_of_known(np.array([float(t.success) for t in self.trials]))

    def figures(self) -> dict[str, Values]:
        """Returns all that was measured, by name: of each trial (trials,), NaN where it has none,
        or of each push (pushes,)."""
        successes = np.array([float(t.success) for t in self.trials])
        seconds = np.array([t.seconds for t in self.trials])
        figures = dict(zip(TRIAL_FIGURES, (successes, seconds)))
        pushes = [float(p.survived) for t in self.trials for p in t.pushes]
        if pushes:
            figures[PUSHES] = np.array(pushes)
        names = dict.fromkeys(name for t in self.trials for name in t.metrics)
        return figures | {
            name: np.array([t.metrics.get(name, math.nan) for t in self.trials]) for name in names
        }

    def summary(self) -> dict[str, float]:
        """Returns means over the trials, by name, for tables and gates; of a metric where it is
        known."""
        return {name: mean_of_known(values) for name, values in self.figures().items()}

    def replay(self, trial: TrialResult) -> str:
        """Returns the command line that runs this trial again, to the same bits."""
        policy, suite = shlex.quote(self.policy), shlex.quote(self.source or self.suite)
        estimates = "" if self.estimates == MODEL else f"--estimates {self.estimates} "
        return (
            f"sim2edge eval {policy} --suite {suite} --engine {trial.engine} "
            f"{estimates}--seed {trial.seed} --trial {trial.trial}"
        )


def known(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns those metrics that are finite, as plain floats."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def write_results(
    path: Path, results: tuple[SuiteResult, ...], config: Any = None, **more: Any
) -> None:
    """Writes results, the config that led to them, and more keys, as JSON."""
    document = {"config": to_json(config), "suites": [to_json(result) for result in results]}
    document |= more
    write_file(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
