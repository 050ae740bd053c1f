"""Runs trials as rows of one vector environment: when one ends, the next begins in its place."""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator, SeedSequence

from edge_runtime.plugins import Registry
from edge_runtime.signals import Array, Bool, Float, Rows
from policies.evaluation.measures import MeasuredEnv
from policies.evaluation.suite_result import SURVIVAL, PushResult, TrialResult, known
from policies.gauntlet.random_per_row import RowGenerator
from policies.train.config import SEEDS
from sim.engines.choice import MUJOCO
from sim.envs.vector_env import MODEL
from sim.tasks.task import TaskConfig

NOBODY = -1  # in a row that has no trial
ROWS = 32  # trials side by side


class GauntletNumbers:
    """Holds the numbers that a gauntlet's trials depend on; each gauntlet has a frozen dataclass of
    them, whose defaults are published and which a suite file changes."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def check(self, where: str) -> None:
        """Refuses numbers that no trial can have together; each one's bounds are checked as it is
        read.

        Args:
            where: what stands before a number's name in the message.

        Raises:
            UserError: names the number.
        """


@dataclass(frozen=True)
class GauntletRun:
    """Says which trials to run, and where.

    Args:
        trials: their numbers.
        seed: the suite's.
        engine: what moves the robots.
        estimates: see `TaskVectorEnv`.
        rows: how many trials run side by side at most.
        threads: physics threads, 0 for all cores.
    """

    trials: Sequence[int]
    seed: int = 0
    engine: str = MUJOCO
    estimates: str = MODEL
    rows: int = ROWS
    threads: int = 0


@dataclass(frozen=True)
class TrialOutcome:
    """Says how a trial ended."""

    success: bool
    why: str
    pushes: tuple[PushResult, ...] = ()


class TrialEnv(MeasuredEnv):
    """Runs the trials of a queue on N rows; each gauntlet is a class of this kind.

    All that is random in a trial comes from the suite's seed and the trial's number, and rows do
    not touch each other, so a trial has the same bits in any row of any batch.

    Args:
        task: what the policy was trained for.
        protocol: the numbers of the trials.
        run: where they run, and with which seed.
        trials: numbers of those to run, in this order.
        rows: N.
        physics_period: see `TaskVectorEnv`.
    """

    outcomes: ClassVar[tuple[str, ...]] = ()
    """Measures of whole suites that only this gauntlet has."""
    protocol: Any
    """Its `GauntletNumbers`: those of the class are published, those of an instance in force."""

    def __init__(
        self,
        task: TaskConfig,
        protocol: Any,
        run: GauntletRun,
        trials: Iterable[int],
        rows: int,
        physics_period: float | None = None,
    ) -> None:
        self.protocol = protocol
        self.finished: list[TrialResult] = []
        self.trial = np.full(rows, NOBODY)  # which trial each row runs
        self._queue, self._run = deque(trials), run
        self._ready = False
        super().__init__(
            self.prepare_task(task, protocol, run.seed),
            rows,
            threads=run.threads,
            estimates=run.estimates,
            physics_period=physics_period,
            engine=run.engine,
        )
        self.operator = self.command = np.zeros((rows, len(task.commands)), np.float32)
        self._settings: list[dict[str, float]] = [{} for _ in range(rows)]

    def begin(self) -> Array:
        """Starts the first trials, and returns the observations, (N, n)."""
        self._ready = True
        self._reset_rows(np.arange(self.num_envs))
        return self._build()

    @property
    def running(self) -> bool:
        """Returns whether a trial is under way."""
        return bool((self.trial != NOBODY).any())

    @property
    def time(self) -> Float:
        """Returns the time since each trial began, (N,) s."""
        return np.multiply(self.measures.steps, self.config.control_period, dtype=np.float64)

    def advance(self, control: Float) -> None:
        """Steps as `TaskVectorEnv` does, to targets (N, actuators), with what the protocol does to
        robot and sensors."""
        super().advance(self.disturb(control))
        over = self.watch()
        self.age[over] = np.maximum(self.age[over], self.max_steps)

    @staticmethod
    def prepare_task(task: Any, protocol: Any, seed: int) -> TaskConfig:
        """Returns the task that every trial simulates; by default in worlds that no training has
        seen."""
        unseen: TaskConfig = task.unseen(seed)
        return unseen

    def place(self, row: int, rng: Generator) -> None:
        """Chooses the ground that a new trial begins on, drawn from its own generator."""

    @abstractmethod
    def prepare(self, rows: Rows, rngs: list[Generator]) -> list[dict[str, float]]:
        """Draws what is set for new trials, and sets it.

        Args:
            rows: whose trials begin; their robots stand where the task starts them.
            rngs: one for each, to draw from.

        Returns:
            For each the settings that its result names.
        """

    def disturb(self, control: Float) -> Float:
        """Applies what happens to the robots in this control period, and returns their control
        inputs; by default nothing happens.

        Args:
            control: inputs of each physics step, (N, substeps, A).
        """
        return control

    def watch(self) -> Bool:
        """Degrades sensors and steers the robots after the period; returns whose trial is over,
        (N,), by default nobody's before its episode ends."""
        return np.zeros(self.num_envs, bool)

    def happening(self, row: int) -> list[str]:
        """Returns what the protocol does to the robot in that row now, for a film."""
        return []

    @abstractmethod
    def outcome(self, row: int, fell: bool) -> TrialOutcome:
        """Returns how the trial in that row ended; `fell` is what the task says of it."""

    def _generators(self, seed: SeedSequence) -> list[Generator]:
        self._row_generators = [RowGenerator(self.num_envs) for _ in range(5)]
        return [*self._row_generators]

    def _reset_rows(self, rows: Rows) -> None:
        rngs: list[Generator] = []
        if self._ready:
            self._collect(rows)
            rngs = self._assign(rows)
        with self._drawing_for(rows):
            super()._reset_rows(rows)
        if not self._ready:
            return
        self.command[rows] = 0.0  # until the trial says otherwise
        for row, settings in zip(rows.tolist(), self.prepare(rows, rngs)):
            self._settings[row] = settings

    @contextmanager
    def _drawing_for(self, rows: Rows) -> Iterator[None]:
        for rng in self._row_generators:
            rng.rows = rows.tolist()
        yield
        for rng in self._row_generators:
            rng.rows = range(self.num_envs)

    def _assign(self, rows: Rows) -> list[Generator]:
        """Gives these rows the next trials, each with random numbers of its own."""
        rngs = []
        for row in rows.tolist():
            self.trial[row] = trial = self._queue.popleft() if self._queue else NOBODY
            own, *others = trial_seeds(self._run.seed, trial)
            for rng, child in zip(self._row_generators, others):
                rng.seed(row, child)
            rngs.append(np.random.default_rng(own))
            self.place(row, rngs[-1])
        return rngs

    def _collect(self, rows: Rows) -> None:
        """Keeps the results of trials that ended."""
        fallen = self.task.terminated()
        for row in rows[self.trial[rows] != NOBODY].tolist():
            outcome = self.outcome(row, bool(fallen[row]))
            survival = {SURVIVAL: float(not fallen[row])}
            self.finished.append(
                TrialResult(
                    trial=int(self.trial[row]),
                    seed=self._run.seed,
                    engine=self._run.engine,
                    settings=self._settings[row],
                    success=outcome.success,
                    seconds=float(self.time[row]),
                    why=outcome.why,
                    metrics=survival | known(self.ended[row]),
                    pushes=outcome.pushes,
                )
            )


def trial_seeds(seed: int, trial: int) -> list[SeedSequence]:
    """Returns the seeds of what is drawn for the trial, and of the environment's five generators.

    No training and no plain evaluation has them.
    """
    return SeedSequence(SEEDS + seed, spawn_key=(trial + 1,)).spawn(6)


GAUNTLETS: Registry[type[TrialEnv]] = Registry(
    "sim2edge.gauntlets",
    "gauntlet",
    lambda thing: isinstance(thing, type) and issubclass(thing, TrialEnv),
    "a subclass of policies.gauntlet.trial_env.TrialEnv",
)
"""The trials of each gauntlet, by the name that a task's config gives it."""
