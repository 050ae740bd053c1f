"""`sim2edge eval`: seeded episodes of a policy, as a table, as JSON, and as a gate for CI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from edge_runtime.config.document import to_json
from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.signals import Array
from policies.commands.evaluate_config import EvaluateConfig
from policies.commands.evaluate_suite import run_suite
from policies.evaluation.episodes import (
    OUTCOMES,
    Episodes,
    EpisodesInterrupted,
    make_world,
    not_begun,
    play,
)
from policies.evaluation.gate import Gate
from policies.evaluation.measures import MeasuredEnv
from policies.evaluation.pure_pursuit import PurePursuit
from policies.evaluation.side_by_side import print_side_by_side
from policies.export.policy_file import PolicyFile
from policies.film.small_film import WayRecorder
from policies.report.episodes_report import EpisodesReport
from sim.engines.bullet.bullet_engine import WorkerDiedError
from sim.engines.choice import MUJOCO
from sim.envs.vector_env import MODEL, TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.task import TaskConfig
from sim.tasks.walking.config import HumanoidVelocity
from sim.terrain.terrain import Kind

PURE_PURSUIT = "pure-pursuit"
MISSED = 1  # exit code
TRIES = 3  # of an engine whose worker ends


def main(config: EvaluateConfig) -> int:
    """Run the command.

    Returns:
        0, or 1 when the gate was missed or episodes are missing.

    Raises:
        UserError: there is no such policy, or the gate cannot be read.
    """
    _check(config)
    if config.suite:
        return _run_suite(config)
    gate = Gate.read(config.gate) if config.gate else None
    pursues = config.policy == PURE_PURSUIT
    policy = None if pursues else PolicyFile.find(Path(config.policy))
    task = on_terrain(policy.task if policy else find_task("VehicleTrack"), config.terrain)
    contract = policy.contract if policy else None
    report = EpisodesReport(config.policy, config.seed, contract) if config.report else None
    played = _Evaluation(config, policy, task, gate, report).in_all_engines()
    _print(config, task, played)
    missed = [line for line in _judge(gate, played) if line.startswith("missed")]
    if config.json:
        document = _document(config, task, played) | {"gate": None if gate is None else not missed}
        document |= {"config": to_json(config)}
        write_file(config.json, json.dumps(document, indent=2) + "\n")
    if config.report and report:
        print(report.write(config.report, gate))
    missing = any(episodes.interrupted for episodes in played.values())
    return MISSED if missed or missing else 0


def _check(config: EvaluateConfig) -> None:
    of_suites = config.films is not None or config.trials is not None or config.trial is not None
    if of_suites and not config.suite:
        raise UserError("--trials, --trial and --films are for a --suite; name one")


def _run_suite(config: EvaluateConfig) -> int:
    if config.policy == PURE_PURSUIT or not config.randomize or config.seconds is not None:
        raise UserError("a suite is for policies, without --seconds or --no-randomize")
    if config.terrain is not None:
        raise UserError(
            "a suite has its own ground, without --terrain; a suite file sets its slope and step"
        )
    return run_suite(config)


def on_terrain(task: TaskConfig, kinds: tuple[Kind, ...] | None) -> TaskConfig:
    """The task on ground of these kinds, () a plane; on its own for None.

    Raises:
        UserError: it has none to choose.
    """
    if kinds is None:
        return task
    if not isinstance(task, HumanoidVelocity):
        raise UserError(f"{task.name} has its own ground; leave out --terrain")
    return replace(task, terrain=replace(task.terrain, kinds=kinds))


@dataclass(frozen=True)
class _Evaluation:
    """Who plays what."""

    config: EvaluateConfig
    policy: PolicyFile | None
    task: TaskConfig
    gate: Gate | None
    report: EpisodesReport | None

    def in_all_engines(self) -> dict[str, Episodes]:
        """The same episodes in each, until the user has enough."""
        played: dict[str, Episodes] = {}
        engines, enough = self.config.engines, False
        for engine in engines[1:]:  # what it cannot simulate is told before the first has played
            self._world(engine, 1).close()
        for engine in engines:
            if enough:
                played[engine] = not_begun(self.config.episodes)
                continue
            try:
                played[engine] = self.play(engine)
            except (KeyboardInterrupt, WorkerDiedError):
                if not played:
                    raise
                played[engine] = not_begun(self.config.episodes)  # those of the other are kept
            enough = played[engine].interrupted or bool(self.report and self.report.interrupted)
        return played

    def play(self, engine: str) -> Episodes:
        """The episodes in one engine; all of them again when a worker of it ends."""
        note = ""
        for _ in range(TRIES - 1):
            try:
                return self._play(engine, note)
            except WorkerDiedError as error:
                note = f"{str(error).partition(';')[0]}: played all episodes again"
        return self._play(engine, note)

    def _world(self, engine: str, episodes: int) -> MeasuredEnv:
        config = self.config
        return make_world(
            self.task,
            episodes,
            config.seconds,
            config.seed,
            randomize=config.randomize,
            engine=engine,
            estimates=config.estimates,
        )

    def _play(self, engine: str, note: str) -> Episodes:
        env = self._world(engine, self.config.episodes)
        try:
            act = _driver(self.policy, env)
            if self.gate:
                self.gate.check((*OUTCOMES, *env.measures.names))
            way = WayRecorder(env, act) if self.report else None
            try:
                with Progress(transient=True) as progress:
                    told = progress.add_task(f"episodes in {engine}", total=env.max_steps)
                    after = partial(progress.advance, told)
                    episodes = play(env, way or act, self.config.seed, after)
            except EpisodesInterrupted as interrupted:
                episodes = interrupted.episodes
            notes = "; ".join(filter(None, (note, episodes.note)))
            episodes = replace(episodes, note=notes)
            if self.report and way:
                self.report.add(episodes, way, self.task.name, engine)
            return episodes
        finally:
            env.close()


def _driver(policy: PolicyFile | None, env: TaskVectorEnv) -> Callable[[Array], Array]:
    """Observations (N, n) -> actions (N, A) of all robots."""
    if policy is None:
        driver = PurePursuit(env)
        return lambda _: driver.act()
    policy.check(env.contract())
    return policy.actor(env.num_envs)


def _judge(gate: Gate | None, played: Mapping[str, Episodes]) -> list[str]:
    """Print, and return, what the gate says of each engine; all of them must pass it."""
    lines = []
    for engine, episodes in played.items():
        where = f" in {engine}" if len(played) > 1 else ""
        verdicts = gate.judge(episodes.summary()) if gate else {}
        lines += [f"{line}{where}" for line in verdicts.values()]
    for line in lines:
        print(line)
    return lines


def _document(
    config: EvaluateConfig, task: TaskConfig, played: Mapping[str, Episodes]
) -> dict[str, object]:
    """For JSON, which has no NaN."""
    means = {engine: _finite(episodes.summary()) for engine, episodes in played.items()}
    return {
        "policy": config.policy,
        "task": task.name,
        "episodes": config.episodes,
        "seconds": config.seconds or task.episode_seconds,
        "seed": config.seed,
        "randomized": config.randomize,
        "terrain": list(config.terrain) if config.terrain is not None else None,
        "estimates": config.estimates,
        "result": next(iter(means.values())),
        "engines": means,
        "notes": {engine: episodes.note for engine, episodes in played.items() if episodes.note},
    }


def _finite(summary: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in summary.items()}


def _print(config: EvaluateConfig, task: TaskConfig, played: Mapping[str, Episodes]) -> None:
    how = "randomized" if config.randomize else "nominal"
    if config.terrain is not None:
        how += f", on {' '.join(config.terrain) or 'a plane'}"
    if config.estimates != MODEL:
        how += f", {config.estimates} estimates"
    length = f"{config.seconds or task.episode_seconds:g} s"
    where = "" if config.engine == MUJOCO else f", {' and '.join(played)}"
    title = (
        f"{config.policy}: {task.name}, {config.episodes} episodes of {length}, "
        f"seed {config.seed}, {how}{where}"
    )
    print_side_by_side(title, {engine: episodes.figures() for engine, episodes in played.items()})
    for engine, episodes in played.items():
        if episodes.note:
            Console().print(f"{engine}: {episodes.note}", style="yellow", markup=False)
