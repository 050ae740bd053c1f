"""Declares the options of `sim2edge eval`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.errors import UserError
from sim.engines.choice import BULLET, MUJOCO
from sim.envs.vector_env import MODEL
from sim.terrain.terrain import Kind

PURE_PURSUIT = "pure-pursuit"
BOTH = "both"  # engines
MISSED = 1  # exit code


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a policy over seeded episodes."""

    policy: str
    """A policy file, a run folder, the name of a policy that comes with sim2edge, or
    "pure-pursuit", the driver that knows everything."""
    episodes: int = setting(200, "How many, all side by side.", above=0)
    seconds: float | None = setting(None, unit="s", above=0, at_most=LONGEST)
    """Length of an episode that nothing ends before; by default the task's."""
    seed: int = setting(0, at_least=0)
    """Seed of everything random; worlds are others than those of any training."""
    randomize: bool = True
    """Simulate noise, randomization and pushes; --no-randomize gives the nominal robot."""
    terrain: tuple[Kind, ...] | None = None
    """What a humanoid walks on, such as slope steps rough, each in all the difficulties that its
    task has; by default the task's own ground."""
    estimates: str = MODEL
    """Where attitude and velocity come from: "model", the truth with an estimator's measured
    errors; "truth"; or the name of an estimator, "auto" for the one that a robot would run."""
    engine: Literal["mujoco", "bullet", "both"] = "mujoco"
    """What moves the robots; "both" plays the same episodes in each, side by side in one table."""
    json: Path | None = None
    """Write the result here too: aggregates, each bound of the gate, commit and versions."""
    junit: Path | None = None
    """Write the verdict here as JUnit XML: a case for each bound, and one that all was played."""
    gate: Path | None = None
    """TOML or JSON with tables [at_least] and [at_most] of thresholds; exit code 1 when missed."""
    report: Path | None = None
    """Write a page for people, one HTML file: verdict, distributions, films of what failed."""
    suite: str = ""
    """Trials under stress instead of episodes: "gauntlet", "faults", or a TOML file with other
    numbers for the gauntlet."""
    trials: int | None = setting(None, at_least=1, at_most=1_000_000)
    """How many of a suite; by default 100 of the gauntlet, and of faults each three times."""
    trial: int | None = setting(None, at_least=0, at_most=2**31 - 1)
    """Run only this one of a suite, to the bit as it was among the others."""
    films: Path | None = None
    """Film the worst trials of a suite into this folder."""

    @property
    def engines(self) -> tuple[str, ...]:
        """Returns the engines to play in, one after the other."""
        return (MUJOCO, BULLET) if self.engine == BOTH else (self.engine,)

    def check(self) -> None:
        """Refuses options that mean nothing together.

        Raises:
            UserError: names the option and what to do about it.
        """
        if self.suite:
            self._check_suite()
        elif not (self.films is None and self.trials is None and self.trial is None):
            raise UserError("--trials, --trial and --films are for a --suite; name one")

    def _check_suite(self) -> None:
        if self.policy == PURE_PURSUIT or not self.randomize or self.seconds is not None:
            raise UserError("a suite is for policies, without --seconds or --no-randomize")
        if self.terrain is not None:
            raise UserError(
                "a suite has its own ground, without --terrain; a suite file sets its slope and "
                "step"
            )
        if self.trial is not None and self.trials is not None:
            raise UserError("--trial runs one and --trials that many; leave one of them out")
