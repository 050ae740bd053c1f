"""Runs one training: the batch, the algorithm on it, and what is saved of both."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from torch.optim.optimizer import register_optimizer_step_pre_hook

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import from_metadata, to_metadata
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array
from policies.train.actor_critic import prior_matrix
from policies.train.actor_network import read_actor
from policies.train.algorithms import find_learner, make_algorithm
from policies.train.checkpoint import begin_with, capture, keep, restore, spent
from policies.train.config import TrainConfig
from policies.train.provenance import cores
from policies.train.run_folder import RunFolder
from policies.train.sb3_env import BatchVecEnv
from sim.envs.make_batch import make_batch
from sim.envs.memory import check_memory
from sim.tasks.protocols import BatchTask

_NEVER = 10**9


class StoppedError(Exception):
    """Reports that an iteration was asked to stop, and that the training is as it was before."""


class Training:
    """Trains by iterations: a rollout, and the updates from it.

    Args:
        config: what to train and how.
        run: where it is kept.

    Raises:
        UserError: the run's checkpoint is damaged, or memory cannot hold the training.
    """

    def __init__(self, config: TrainConfig, run: RunFolder) -> None:
        self._start = time.monotonic()  # first, for setting up takes its time too
        self.config, self.run = config, run
        threads = config.threads or cores()
        torch.set_num_threads(config.learning_threads)
        # Numbers that are not finite are looked for once an iteration, not in every distribution.
        torch.distributions.Distribution.set_default_validate_args(False)
        task: BatchTask = config.task.for_training()
        env = make_batch(task, config.num_envs, seed=config.seed, threads=threads, stagger=True)
        self.contract: dict[str, str] = {}  # as metadata; empty for a task without a robot
        self._prior: Array | None = None
        if task.deployable:
            contract = env.contract()
            self.contract = to_metadata(contract)
            self._prior = prior_matrix(contract, task.action_prior)
        self._learner = find_learner(config)
        self._env = BatchVecEnv(env, self._learner.action_limit)
        sizes = (self._env.observation_space.shape[0], self._env.action_space.shape[0])
        check_memory(0, "--num-envs", self._learner.memory(*sizes))  # that of these is taken
        self.algorithm, self._scaled = make_algorithm(self._learner, self._env, self._prior)
        self._learner.prepare(self.algorithm, task, env)
        self._seconds_before = 0.0
        self._inherited = {"steps": 0, "seconds": 0.0}  # of the runs that this one began with
        if config.resume is not None:
            self._resume()
        elif config.initial is not None:
            self._begin_with(config.initial)
        self.algorithm.set_logger(configure(str(run.path), ["tensorboard"]))
        if config.resume is None:
            self.algorithm._setup_learn(0)  # resets the simulations, so that there is a state

    @property
    def steps(self) -> int:
        """Returns the control steps so far, over all simulations and sessions."""
        return self.algorithm.num_timesteps

    @property
    def seconds(self) -> float:
        """Returns the time spent so far, s, over all sessions, setting up included."""
        return self._seconds_before + time.monotonic() - self._start

    def iterate(self, stop: Callable[[], bool] = bool) -> dict[str, float]:
        """Runs one rollout and its updates, and returns their statistics by name.

        Args:
            stop: is asked before each control step and each gradient step; by default never true.

        Raises:
            StoppedError: it was asked to.
            UserError: the weights are no longer finite.
        """
        algorithm = self.algorithm
        before = keep(self._learner, algorithm, self._scaled)
        try:
            with _between_steps(stop) as callback:
                algorithm.learn(
                    self._learner.horizon * self.config.num_envs,
                    callback=callback,
                    log_interval=_NEVER,
                    reset_num_timesteps=False,
                )
        except StoppedError:
            restore(self._learner, algorithm, self._scaled, before)
            raise
        self._learner.after_iteration(algorithm)
        summary = self._env.statistics.summary()
        if not all(bool(p.isfinite().all()) for p in algorithm.policy.parameters()):
            raise UserError(
                f"{self.run.path}: the training diverged after {self.steps:,} steps; the last "
                "checkpoint is from before: train anew with a lower learning rate"
            )
        for name, value in summary.items():
            algorithm.logger.record(name, value)
        algorithm.logger.dump(self.steps)
        return summary

    def save(self) -> None:
        """Writes a checkpoint.

        Raises:
            UserError: it cannot be written; the previous one is still there.
        """
        self.run.save(
            {
                **capture(self._learner, self.algorithm, self._scaled),
                "contract": self.contract,
                "prior": self._prior,
                "action_limit": self._env.action_space.high,
                "train_seconds": self.seconds,
                "inherited": self._inherited,
            }
        )

    def close(self) -> None:
        """Closes the simulations and the log."""
        self.algorithm.logger.close()
        self._env.close()

    def _begin_with(self, path: Path) -> None:
        from_policy = self.config.begins_with_policy
        begin = self._begin_with_policy if from_policy else self._begin_with_run
        try:
            self._inherited = begin(path)
        except RuntimeError:
            raise UserError(
                f"--initial {path} has a network of another shape: it must be of the same task, "
                "observations and layers"
            ) from None

    def _begin_with_run(self, path: Path) -> dict[str, float]:
        folder = RunFolder.open(path)
        checkpoint = folder.load()
        if folder.config.algorithm != self.config.algorithm:
            raise UserError(
                f"--initial {path} learns by {folder.config.algorithm}, and this run by "
                f"{self.config.algorithm}; choose the same --algorithm"
            )
        begin_with(self._learner, self.algorithm, self._scaled, checkpoint)
        steps, seconds = spent(checkpoint)
        return {"steps": steps, "seconds": seconds}

    def _begin_with_policy(self, path: Path) -> dict[str, float]:
        policy = Policy.load(path)
        own = from_metadata(self.contract, path.name) if self.contract else None
        if own is None or policy.contract.observations != own.observations:
            raise UserError(
                f"--initial {path} sees other observations than {self.config.task.name}; begin "
                "with a policy of the same task"
            )
        self._learner.take_actor(self.algorithm, read_actor(path))
        provenance = policy.contract.provenance
        return {"steps": provenance.steps, "seconds": provenance.train_seconds}

    def _resume(self) -> None:
        checkpoint = self.run.load()
        if checkpoint["contract"] != self.contract:
            raise UserError(
                f"{self.run.path}: the task or robot has changed since this run began, "
                "so it cannot go on; train anew"
            )
        with self.run.reading():
            restore(self._learner, self.algorithm, self._scaled, checkpoint)
            self._seconds_before = float(checkpoint["train_seconds"])
            self._inherited = checkpoint["inherited"]


class _StopCallback(BaseCallback):
    """Calls `check` after each control step."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check

    def _on_step(self) -> bool:
        self._check()
        return True


@contextmanager
def _between_steps(stop: Callable[[], bool]) -> Iterator[BaseCallback]:
    """Yields a callback for `learn`, which then raises `StoppedError` between two steps of whatever
    algorithm, those of the simulations and those of an optimizer."""

    def check(*_: object) -> None:
        if stop():
            raise StoppedError

    hook = register_optimizer_step_pre_hook(check)
    try:
        yield _StopCallback(check)
    finally:
        hook.remove()
