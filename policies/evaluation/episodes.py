"""Plays seeded episodes of a policy, all side by side, and measures each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.signals import Array, Bool
from policies.evaluation.measures import MeasuredEnv, Values, mean_of_known
from policies.train.config import SEEDS
from sim.engines.choice import MUJOCO
from sim.envs.memory import check_memory
from sim.envs.vector_env import MODEL
from sim.tasks.task import EpisodeEnd, TaskConfig

OUTCOMES = ("success", "survival", "return", "episode_seconds")


@dataclass(frozen=True)
class Episodes:
    """Holds what happened in each of the E episodes that came to their end."""

    seconds: Values  # (E,) until its end
    survived: Values  # (E,) 1 or 0
    total_reward: Values  # (E,)
    metrics: Mapping[str, Values]  # (E,) each; NaN where there is none
    rows: npt.NDArray[np.intp]  # (E,) which simulation each is of
    planned: int  # how many simulations there were
    note: str = ""  # what a reader must know; empty when all went as planned
    end: EpisodeEnd = EpisodeEnd()  # the task's: when an episode was a success

    @property
    def success(self) -> Values:
        """Returns 1 for those that survived and reached the task's goal, else 0; (E,)."""
        return self.survived * (self.metrics.get(self.end.goal, self.survived) > 0)

    @property
    def interrupted(self) -> bool:
        """Returns whether the user ended the evaluation before all episodes had ended."""
        return len(self.rows) < self.planned

    def figures(self) -> dict[str, Values]:
        """Returns all that was measured, by name, (E,) each."""
        outcomes = (self.success, self.survived, self.total_reward, self.seconds)
        return {**dict(zip(OUTCOMES, outcomes)), **self.metrics}

    def summary(self) -> dict[str, float]:
        """Returns the mean of each figure over the episodes in which it is known; NaN where
        there are none."""
        return {name: mean_of_known(values) for name, values in self.figures().items()}


def not_started(planned: int) -> Episodes:
    """Returns the result of episodes that were not played: the user interrupted, or workers kept
    dying."""
    none = np.zeros(0)
    note = "not played, for the evaluation was interrupted"
    return Episodes(none, none, none, {}, np.zeros(0, np.intp), planned, note)


class EpisodesInterrupted(KeyboardInterrupt):
    """Reports Ctrl-C while episodes are under way; `episodes` are those that had come to their
    end."""

    def __init__(self, episodes: Episodes) -> None:
        super().__init__()
        self.episodes = episodes


def make_world(
    task: TaskConfig,
    episodes: int,
    seconds: float | None,
    seed: int,
    *,
    randomize: bool = True,
    engine: str = MUJOCO,
    estimates: str = MODEL,
) -> MeasuredEnv:
    """Makes the batch that a policy is evaluated on: one simulation for each episode.

    No training sees its worlds, whatever the seeds of the two.

    Raises:
        UserError: memory cannot hold so many, or they are shorter than a control period.
    """
    if seconds is not None and seconds < task.control_period:
        raise UserError(
            f"--seconds {seconds:g} is shorter than one control period, {task.control_period:g} s"
        )
    check_memory(episodes, "--episodes")
    task = task.unseen(seed, episodes)
    task = task if seconds is None else replace(task, episode_seconds=seconds)
    task = task if randomize else task.nominal()
    return MeasuredEnv(task, episodes, seed=unseen_seed(seed), engine=engine, estimates=estimates)


def unseen_seed(seed: int) -> int:
    """Returns the seed of all that an evaluation draws; no training can have it."""
    return SEEDS + seed


def play(
    env: MeasuredEnv,
    act: Callable[[Array], Array],
    seed: int,
    progress: Callable[[], object] = lambda: None,
) -> Episodes:
    """Plays one episode of each simulation, from the reset to its end.

    Args:
        env: the simulations, of `make_world`.
        act: observations (N, n) -> actions (N, A).
        seed: the evaluation's.
        progress: called after each control period.

    Raises:
        EpisodesInterrupted: Ctrl-C ended the episodes.
    """
    record = _Record(env)
    try:
        observations, _ = env.reset(seed=unseen_seed(seed))
        while record.alive.any():
            observations, reward, terminated, truncated, _ = env.step(act(observations))
            record.add(reward, terminated, truncated)
            progress()
    except KeyboardInterrupt:
        raise EpisodesInterrupted(record.episodes()) from None
    return record.episodes()


class _Record:
    """Records each simulation's first episode."""

    def __init__(self, env: MeasuredEnv) -> None:
        count, self._env = env.num_envs, env
        self.alive = np.ones(count, bool)
        self._steps, self._survived, self._total = (np.zeros(count) for _ in range(3))
        self._measured: dict[int, Mapping[str, float]] = {}

    def add(self, reward: Array, terminated: Bool, truncated: Bool) -> None:
        """Adds one control period of all simulations."""
        self._steps += self.alive
        self._total += np.where(self.alive, reward, 0.0)
        ended = self.alive & (terminated | truncated)
        self._survived[ended & truncated] = 1.0
        for row in np.flatnonzero(ended).tolist():
            self._measured[row] = self._env.ended[row]
        self.alive &= ~ended

    def episodes(self) -> Episodes:
        """Returns the episodes that ended so far, in the order of their simulations."""
        rows, count = np.array(sorted(self._measured), np.intp), len(self.alive)
        measured = [self._measured[row] for row in rows.tolist()]
        names = measured[0] if measured else ()
        return Episodes(
            seconds=self._steps[rows] * self._env.config.control_period,
            survived=self._survived[rows],
            total_reward=self._total[rows],
            metrics={name: np.array([figures[name] for figures in measured]) for name in names},
            rows=rows,
            planned=count,
            note="" if rows.size == count else _interrupted(rows.size, count),
            end=self._env.task.end,
        )


def _interrupted(ended: int, planned: int) -> str:
    return (
        f"interrupted: {ended} of {planned} episodes had ended; falls end an episode early, so the "
        "share of those that survived is too low"
    )
