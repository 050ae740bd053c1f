"""`sim2edge eval`: seeded episodes of a policy, as a table, as JSON, and as a gate for CI."""

import dataclasses
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.signal import Array
from policies.config import SEEDS
from policies.gate import Gate
from policies.policy_file import PolicyFile
from sim.engines.choice import ENGINES, MUJOCO
from sim.racing.pure_pursuit import PurePursuit
from sim.task import TaskConfig
from sim.tasks import find_task
from sim.vector_env import MODEL, TaskVectorEnv

if TYPE_CHECKING:
    from policies.report.episodes import EpisodesReport

PURE_PURSUIT = "pure-pursuit"
BOTH = "both"  # engines
MISSED = 1  # exit code


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a policy over seeded episodes."""

    policy: str
    """A policy file, a run folder, or "pure-pursuit", the driver that knows everything."""
    episodes: int = 200
    """How many, all side by side."""
    seconds: float | None = None
    """Length of an episode that nothing ends before; by default the task's."""
    seed: int = 0
    """Of everything random; worlds are others than those of any training."""
    randomize: bool = True
    """With noise, randomization and pushes; --no-randomize gives the robot as it is drawn."""
    estimates: str = MODEL
    """Where attitude and velocity come from: "model", the truth with an estimator's measured
    errors; "truth"; or the name of an estimator, "auto" for the one that a robot would run."""
    engine: Literal["mujoco", "bullet", "both"] = "mujoco"
    """What moves the robots; "both" plays the same episodes in each, side by side in one table."""
    json: Path | None = None
    """Write the result here too."""
    gate: Path | None = None
    """TOML or JSON with tables [at_least] and [at_most] of thresholds; exit code 1 when missed."""
    report: Path | None = None
    """Write a page for people, one HTML file: verdict, distributions, films of what failed."""
    suite: str = ""
    """Trials under stress instead of episodes: "gauntlet", "faults", or a TOML file with other
    numbers for the gauntlet."""
    trials: int | None = None
    """How many of a suite; by default 100 of the gauntlet, and of faults each three times."""
    trial: int | None = None
    """Run only this one of a suite, to the bit as it was among the others."""
    films: Path | None = None
    """Film the worst trials of a suite into this folder."""


@dataclass(frozen=True)
class Episodes:
    """What happened, by episode."""

    seconds: npt.NDArray[np.float64]  # (E,) until its end
    survived: npt.NDArray[np.float64]  # (E,) 1 or 0
    total_reward: npt.NDArray[np.float64]  # (E,)
    metrics: Mapping[str, npt.NDArray[np.float64]]  # (E,) each; NaN where there is none

    def summary(self) -> dict[str, float]:
        """Means over the episodes."""
        means = {
            "survival": float(self.survived.mean()),
            "return": float(self.total_reward.mean()),
            "episode_seconds": float(self.seconds.mean()),
        }
        return means | {name: _mean_of_known(values) for name, values in self.metrics.items()}


def main(config: EvaluateConfig) -> int:
    """Run the command.

    Returns:
        0, or 1 when the gate was missed.

    Raises:
        UserError: there is no such policy, or the gate cannot be read.
    """
    if config.episodes < 1:
        raise UserError("--episodes must be positive")
    if config.seconds is not None and not 0 < config.seconds < np.inf:
        raise UserError("--seconds must be positive")
    if config.seed < 0:
        raise UserError("--seed must not be negative")
    if config.suite:
        return _run_suite(config)
    gate = Gate.read(config.gate) if config.gate else None
    engines = tuple(ENGINES) if config.engine == BOTH else (config.engine,)
    report = _new_report(config)
    played, task = _evaluate(config, engines, report)
    summaries = {engine: episodes.summary() for engine, episodes in played.items()}
    _print(config, task, played, summaries)
    missed = [line for line in _judge(gate, summaries) if line.startswith("missed")]
    if config.json:
        document = {
            "policy": config.policy,
            "task": task.name,
            "episodes": config.episodes,
            "seconds": task.episode_seconds,
            "seed": config.seed,
            "randomized": config.randomize,
            "estimates": config.estimates,
            "result": _finite(summaries[engines[0]]),
            "engines": {engine: _finite(summary) for engine, summary in summaries.items()},
            "gate": None if gate is None else not missed,
        }
        write_file(config.json, json.dumps(document, indent=2) + "\n")
    if config.report and report:
        print(report.write(config.report, gate))
    return MISSED if missed else 0


def _run_suite(config: EvaluateConfig) -> int:
    if config.policy == PURE_PURSUIT or not config.randomize or config.seconds is not None:
        raise UserError("a suite is for policies, without --seconds or --no-randomize")
    suites = importlib.import_module("policies.suites.command")  # imports this module, for films
    asked = suites.SuiteRun(
        policy=config.policy,
        suite=config.suite,
        trials=config.trials,
        trial=config.trial,
        seed=config.seed,
        engines=tuple(ENGINES) if config.engine == BOTH else (config.engine,),
        estimates=config.estimates,
        json=config.json,
        gate=config.gate,
        films=config.films,
        report=config.report,
    )
    code: int = suites.run_suite(asked)
    return code


def _judge(gate: Gate | None, summaries: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Print, and return, what the gate says of each engine; all of them must pass it."""
    lines = []
    for engine, summary in summaries.items():
        where = f" in {engine}" if len(summaries) > 1 else ""
        verdicts = gate.judge(summary) if gate else {}
        lines += [f"{line}{where}" for line in verdicts.values()]
    for line in lines:
        print(line)
    return lines


def _finite(summary: Mapping[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: None if np.isnan(value) else value for name, value in summary.items()}


def make_world(
    task: TaskConfig,
    episodes: int,
    seconds: float | None,
    seed: int,
    *,
    randomize: bool = True,
    engine: str = MUJOCO,
    estimates: str = MODEL,
) -> TaskVectorEnv:
    """The batch that a policy is evaluated on: one simulation for each episode.

    No training sees its worlds, whatever the seeds of the two.
    """
    task = task.unseen(seed, episodes)
    task = task if seconds is None else dataclasses.replace(task, episode_seconds=seconds)
    task = task if randomize else task.nominal()
    return TaskVectorEnv(task, episodes, seed=unseen_seed(seed), engine=engine, estimates=estimates)


def unseen_seed(seed: int) -> int:
    """What an evaluation of that seed draws everything from; no training can have it."""
    return SEEDS + seed


def play(env: TaskVectorEnv, act: Callable[[Array], Array], seed: int) -> Episodes:
    """One episode of each simulation, from the reset to its end.

    Args:
        env: the simulations, of `make_world`.
        act: observations (N, n) -> actions (N, A).
        seed: of the episodes.
    """
    observations, _ = env.reset(seed=unseen_seed(seed))
    count = env.num_envs
    alive = np.ones(count, bool)
    steps, survived, total = np.zeros(count), np.zeros(count), np.zeros(count)
    sums: dict[str, Any] = {}
    while alive.any():
        observations, reward, terminated, truncated, _ = env.step(act(observations))
        steps += alive
        total += np.where(alive, reward, 0.0)
        for name, value in env.metrics.items():
            if name in env.task.final_metrics:
                sums[name] = np.where(alive, value, sums.get(name, 0.0))
            else:
                sums[name] = sums.get(name, 0.0) + np.where(alive, value, 0.0)
        survived[alive & truncated] = 1.0
        alive &= ~(terminated | truncated)
    final = env.task.final_metrics
    metrics = {k: v if k in final else v / steps for k, v in sums.items()}
    return Episodes(steps * env.config.control_period, survived, total, metrics)


def _new_report(config: EvaluateConfig) -> "EpisodesReport | None":
    if config.report is None:
        return None
    reports = importlib.import_module("policies.report.episodes")  # which films, by this module
    report: EpisodesReport = reports.EpisodesReport(config.policy, config.seed)
    return report


def _evaluate(
    config: EvaluateConfig, engines: Sequence[str], report: "EpisodesReport | None"
) -> tuple[dict[str, Episodes], TaskConfig]:
    """The same episodes in each engine."""
    pursues = config.policy == PURE_PURSUIT
    policy = None if pursues else PolicyFile.find(Path(config.policy))
    task = policy.task if policy else find_task("VehicleTrack")
    played, world = {}, task
    for engine in engines:
        env = make_world(
            task,
            config.episodes,
            config.seconds,
            config.seed,
            randomize=config.randomize,
            engine=engine,
            estimates=config.estimates,
        )
        try:
            act = _driver(policy, env)
            if report is None:
                played[engine] = play(env, act, config.seed)
            else:
                contract = policy.contract if policy else None
                played[engine] = report.play(env, act, contract, engine)
        finally:
            env.close()
        world = env.config
    return played, world


def _driver(policy: PolicyFile | None, env: TaskVectorEnv) -> Callable[[Array], Array]:
    """Observations (N, n) -> actions (N, A) of all robots."""
    if policy is None:
        driver = PurePursuit(env)
        return lambda _: driver.act()
    policy.check(env.contract())
    return policy.actor(env.num_envs)


def _mean_of_known(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _print(
    config: EvaluateConfig,
    task: TaskConfig,
    played: Mapping[str, Episodes],
    summaries: Mapping[str, Mapping[str, float]],
) -> None:
    how = "randomized" if config.randomize else "nominal"
    if config.estimates != MODEL:
        how += f", {config.estimates} estimates"
    length = f"{task.episode_seconds:g} s"
    where = "" if config.engine == MUJOCO else f", {' and '.join(played)}"
    table = Table(
        title=f"{config.policy}: {task.name}, {config.episodes} episodes of {length}, "
        f"seed {config.seed}, {how}{where}",
        title_justify="left",
    )
    alone = len(played) == 1
    table.add_column("")
    for engine in played:
        columns = ("mean", "5 %", "median", "95 %") if alone else (engine, "5 to 95 %")
        for column in columns:
            table.add_column(column, justify="right")
    for name in summaries[next(iter(played))]:
        cells = []
        for engine, episodes in played.items():
            low, middle, high = _quantiles(episodes, name)
            spread = [low, middle, high] if alone else [f"{low} to {high}" if low else ""]
            cells += [f"{summaries[engine][name]:.4g}", *spread]
        table.add_row(name, *cells)
    Console().print(table)


def _quantiles(episodes: Episodes, name: str) -> list[str]:
    """5 %, median and 95 % of what differs among episodes, empty for what is one figure."""
    spread = {
        "return": episodes.total_reward,
        "episode_seconds": episodes.seconds,
        **episodes.metrics,
    }
    known = spread.get(name, np.array([]))
    known = known[np.isfinite(known)]
    return [f"{q:.4g}" for q in np.quantile(known, (0.05, 0.5, 0.95))] if known.size else [""] * 3
