"""Evaluates a policy over seeded episodes, in one engine or in both."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from edge_runtime.config.config_file import to_json
from edge_runtime.files import write_file
from edge_runtime.signals import Array
from policies.commands.evaluate_config import MISSED, PURE_PURSUIT, EvaluateConfig
from policies.commands.evaluate_tables import print_figures
from policies.evaluation.ci_result import CiResult, EngineOutcome
from policies.evaluation.episodes import (
    OUTCOMES,
    Episodes,
    EpisodesInterrupted,
    make_world,
    not_started,
    play,
)
from policies.evaluation.gate import Gate
from policies.evaluation.measures import MeasuredEnv
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.pure_pursuit import PurePursuit
from policies.evaluation.side_by_side import spread
from policies.film.small_film import TrajectoryRecorder
from policies.report.episodes_report import EpisodesReport
from sim.engines.bullet.bullet_engine import WorkerDiedError
from sim.engines.choice import MUJOCO
from sim.envs.vector_env import MODEL, TaskVectorEnv
from sim.tasks.task import TaskConfig, find_robot_task

TRIES = 3  # of an engine whose worker dies


def run_episodes(config: EvaluateConfig) -> int:
    """Plays the episodes, and prints, writes and judges what was measured.

    Returns:
        0, or 1 when the gate was missed or episodes are missing.

    Raises:
        UserError: there is no such policy, or the gate cannot be used.
    """
    policy = None if config.policy == PURE_PURSUIT else PolicyFile.find(Path(config.policy))
    task = policy.task if policy else find_robot_task(PurePursuit.task)
    gate = Gate.read(config.gate, task.metric_units) if config.gate else None
    if config.terrain is not None:
        task = task.on_terrain(config.terrain)
    contract = policy.contract if policy else None
    report = (
        EpisodesReport(config.policy, config.seed, task.metric_units, contract)
        if config.report
        else None
    )
    played = _EpisodesRun(config, policy, task, gate, report).in_all_engines()
    _print(config, task, played)
    outcomes = {
        engine: EngineOutcome(of.summary(), len(of.rows), of.planned, of.note)
        for engine, of in played.items()
    }
    model = policy.model if policy else None
    result = CiResult("episodes", task.name, config.policy, model, outcomes, gate)
    for line in result.lines():
        print(line)
    if config.json:
        document = result.document() | _document(config, task, played, result)
        write_file(config.json, json.dumps(document, indent=2) + "\n")
    if config.junit:
        write_file(config.junit, result.junit())
    if config.report and report:
        print(report.write(config.report, gate))
    return 0 if result.passed else MISSED


@dataclass(frozen=True)
class _EpisodesRun:
    """Holds a driver, and the episodes it is to play."""

    config: EvaluateConfig
    policy: PolicyFile | None  # None: pure pursuit
    task: TaskConfig
    gate: Gate | None
    report: EpisodesReport | None

    def in_all_engines(self) -> dict[str, Episodes]:
        """Plays the same episodes in each engine, until the user has enough."""
        for engine in self.config.engines[1:]:  # refuse a later engine before the first has played
            self._world(engine, 1).close()
        played: dict[str, Episodes] = {}
        for engine in self.config.engines:
            if self._interrupted(played):
                played[engine] = not_started(self.config.episodes)
                continue
            try:
                played[engine] = self._play_with_retries(engine)
            except (KeyboardInterrupt, WorkerDiedError):
                if not played:
                    raise
                played[engine] = not_started(self.config.episodes)  # those of the other are kept
        return played

    def _interrupted(self, played: Mapping[str, Episodes]) -> bool:
        filming = self.report is not None and self.report.interrupted
        return filming or any(episodes.interrupted for episodes in played.values())

    def _play_with_retries(self, engine: str) -> Episodes:
        """Plays in one engine; all episodes again when one of its workers dies."""
        note = ""
        for _ in range(TRIES - 1):
            try:
                return self._play(engine, note)
            except WorkerDiedError as error:
                note = f"{str(error).partition(';')[0]}: played all episodes again"
        return self._play(engine, note)

    def _play(self, engine: str, note: str) -> Episodes:
        with closing(self._world(engine, self.config.episodes)) as env:
            act = _driver(self.policy, env)
            if self.gate:
                self.gate.check((*OUTCOMES, *env.measures.names))
            trajectory = TrajectoryRecorder(env, act) if self.report else None
            try:
                with Progress(transient=True) as progress:
                    bar = progress.add_task(f"episodes in {engine}", total=env.max_steps)
                    after = partial(progress.advance, bar)
                    episodes = play(env, trajectory or act, self.config.seed, after)
            except EpisodesInterrupted as interrupted:
                episodes = interrupted.episodes
            episodes = replace(episodes, note="; ".join(filter(None, (note, episodes.note))))
            if self.report and trajectory:
                self.report.add(episodes, trajectory, self.task.name, engine)
            return episodes

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


def _driver(policy: PolicyFile | None, env: TaskVectorEnv) -> Callable[[Array], Array]:
    """Returns what maps observations (N, n) of all robots to actions (N, A)."""
    if policy is None:
        driver = PurePursuit(env)
        return lambda _: driver.act()
    policy.drive(env)
    return policy.actor(env.num_envs)


def _document(
    config: EvaluateConfig, task: TaskConfig, played: Mapping[str, Episodes], result: CiResult
) -> dict[str, object]:
    """Returns what the JSON of episodes has beside that of every evaluation."""
    return {
        "config": to_json(config),
        "policy": config.policy,
        "task": task.name,
        "episodes": config.episodes,
        "seconds": config.seconds or task.episode_seconds,
        "seed": config.seed,
        "randomized": config.randomize,
        "terrain": list(config.terrain) if config.terrain is not None else None,
        "estimates": config.estimates,
        "result": next(iter(result.document()["engines"].values())),
        "spread": {engine: spread(episodes.figures()) for engine, episodes in played.items()},
        "notes": {engine: episodes.note for engine, episodes in played.items() if episodes.note},
    }


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
    console = Console()
    figures = {name: episodes.figures() for name, episodes in played.items()}
    print_figures(title, figures, task.metric_units, console)
    for engine, episodes in played.items():
        if episodes.note:
            console.print(f"{engine}: {episodes.note}", style="yellow", markup=False)
