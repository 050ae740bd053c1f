"""Defines a task: how an episode starts, what is rewarded, when it ends. Each task has a folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar, cast

import mujoco
import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from edge_runtime.config.fields import LONGEST, check, setting
from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.observation.builder import TermConfig
from edge_runtime.policy.contract import Command
from edge_runtime.signals import Array, Bool, Float, Rows, Signal
from sim.engines.engine import Engine
from sim.robots.legged_estimator import legged_estimator
from sim.robots.robot import SimRobot
from sim.robots.wear import Wear
from sim.sensors.estimates import EstimateErrors
from sim.sensors.readings import Noise
from sim.tasks import find_task
from sim.tasks.protocols import BatchEnv
from sim.tasks.randomization import DomainRandomization
from sim.terrain.terrain import Kind

State = dict[str, Any]
C = TypeVar("C")


@dataclass(frozen=True)
class TaskConfig(ABC):
    """Declares the settings that every task has; a task's own config adds to them."""

    name: ClassVar[str]
    deployable: ClassVar[bool] = True
    gauntlet: ClassVar[str] = ""
    """The gauntlet its policies can run, by name; "" for none. It may come from any package."""
    metric_units: ClassVar[Mapping[str, str]] = {}
    """What the task's metrics are measured in, by name; one without a unit is left out."""

    episode_seconds: float = setting(20.0, "Length of an episode.", "s", above=0, at_most=LONGEST)
    control_period: float = setting(
        0.02, "Time between two actions.", "s", above=0, at_most=LONGEST
    )
    action_clip: float = setting(5.0, "Actions beyond ± this are clipped.", above=0)
    max_tilt: float = setting(1.0, unit="rad", above=0)
    """Tilt from upright, past which the robot is damped."""
    noise: bool = setting(True, "Simulate sensor noise, bias and estimation errors.")
    randomization: DomainRandomization = DomainRandomization()
    wear: Wear = field(default_factory=Wear)
    """How far the device is from its model."""

    def check(self) -> None:
        """Refuses numbers that no simulation can have.

        Raises:
            UserError: names the option.
        """
        check(self, "--task.")
        if self.episode_seconds < self.control_period:
            raise UserError(
                f"--task.episode-seconds {self.episode_seconds:g} is shorter than one control "
                f"period, {self.control_period:g} s"
            )
        self.wear.check(self.robot)
        delay = self.randomization.action_delay[1]
        if self.randomization.enabled and delay > self.control_period:
            raise UserError(
                f"--task.randomization.action-delay reaches {delay:g} s, but an action can be "
                f"late by one control period at most, {self.control_period:g} s"
            )

    @property
    @abstractmethod
    def robot(self) -> SimRobot:
        """Returns the robot of the task."""

    @property
    @abstractmethod
    def observations(self) -> tuple[TermConfig, ...]:
        """Returns the terms that the policy observes."""

    @property
    def commands(self) -> tuple[Command, ...]:
        """Returns the commands that the operator may give."""
        return ()

    @property
    def sensor_noise(self) -> Mapping[str, Noise]:
        """Returns the error of each sensor, by signal."""
        return {}

    @property
    def estimate_errors(self) -> EstimateErrors:
        """Returns the measured errors of an estimator on this robot."""
        return EstimateErrors()

    @property
    def legged(self) -> LeggedRobotConfig | None:
        """Returns what an estimator must know of the robot's legs; None without legs."""
        return legged_estimator(self.robot, self.sensor_noise, self.control_period)

    @property
    def wheeled(self) -> WheeledRobotConfig | None:
        """Returns what an estimator must know of the robot's wheels; None without wheels."""
        return self.robot.car.wheeled if self.robot.car else None

    @property
    def extra_signals(self) -> tuple[Signal, ...]:
        """Returns the signals of sensors that the task itself simulates."""
        return ()

    @property
    def ground(self) -> tuple[str, ...]:
        """Returns the geoms whose friction is randomized."""
        return self.robot.ground

    def model(self) -> mujoco.MjModel:
        """Returns the robot in its world, compiled."""
        return self.robot.spec().compile()

    @property
    def action_prior(self) -> npt.NDArray[np.float64] | None:
        """Returns a linear map (A, n) from the term `gait_clock` to the action a policy starts
        from."""
        return None

    @property
    def mirror_signs(self) -> tuple[float, ...]:
        """Returns by action whether its mirror acts the same way, 1, or the other, -1; ()
        without."""
        return self.robot.mirror_signs

    def nominal(self) -> Self:
        """Returns the task with the nominal robot: no noise, no randomization, no pushes."""
        randomization = replace(self.randomization, enabled=False)
        return replace(self, noise=False, randomization=randomization)

    def for_training(self) -> Self:
        """Returns the task as training sees it: by default the same, or with more of
        what is hard."""
        return self

    def unseen(self, seed: int, episodes: int = 1) -> Self:
        """Returns the task in worlds that no training has seen, another for each episode, to
        evaluate."""
        return self

    def from_rest(self) -> Self:
        """Returns the task in which a robot starts at rest, as one that waits for commands does."""
        return self

    def in_one_world(self) -> Self:
        """Returns the task for one robot, which needs no other worlds beside its own."""
        return self

    def on_terrain(self, kinds: tuple[Kind, ...]) -> Self:
        """Returns the task on ground of these kinds; () is a plane.

        Raises:
            UserError: the task has its own ground.
        """
        raise UserError(f"{self.name} has its own ground; leave out --terrain")

    def make_batch(
        self, standard: Callable[..., BatchEnv], num_envs: int, **options: Any
    ) -> BatchEnv:
        """Makes N simulations in the environment that all robots' tasks share."""
        return standard(self, num_envs, **options)

    @abstractmethod
    def build(self, engine: Engine, signals: dict[str, Array], rng: np.random.Generator) -> "Task":
        """Returns the task, running on an engine."""


@dataclass(frozen=True)
class EpisodeEnd:
    """Says when an episode was a success, and in which words it ended."""

    goal: str = ""
    """Metric that must be above 0, besides surviving; by default to survive is enough."""
    missed: str = ""
    """What is said of an episode that survived without its goal, as in "no lap"."""
    causes: Mapping[str, str] = field(default_factory=dict)
    """What is said of an episode that did not survive, by the metric that is above 0 then."""
    otherwise: str = "fell"
    """What is said where none of them is."""


class Task(ABC):
    """Runs a task on N simulations.

    Args:
        engine: the physics.
        signals: what the robot reads; a task writes `command` and its extra signals there.
        rng: draws whatever the task leaves to chance.
    """

    camera: ClassVar[str] = "follow"  # the one it is filmed with, of `sim.renderer`
    privileged_size: int  # columns of `privileged`
    final_metrics: ClassVar[frozenset[str]] = frozenset()
    """Metrics of which an episode's last value counts; of the others, the mean over its steps."""
    end: ClassVar[EpisodeEnd] = EpisodeEnd()

    def __init__(self, engine: Engine, signals: dict[str, Array], rng: np.random.Generator) -> None:
        self.engine, self.signals, self.rng = engine, signals, rng

    @abstractmethod
    def start(self, rows: Rows) -> tuple[Float, Float]:
        """Starts new episodes; returns initial qpos (n, nq) and qvel (n, nv)."""

    def sense(self, rows: Rows | None) -> None:
        """Writes the signals of sensors that the task itself simulates; called before `observe`."""

    @abstractmethod
    def observe(self, rows: Rows | None) -> None:
        """Updates what the terms read, after a step (None: all rows) or a reset."""

    @abstractmethod
    def rewards(self, action: Array) -> dict[str, Float]:
        """Returns each reward term, weighted, (N,)."""

    @abstractmethod
    def terminated(self) -> Bool:
        """Returns which episodes ended for good, (N,), among them those that `engine.diverged`."""

    def advance(self) -> None:
        """Moves on: draws new commands and pushes the robots."""

    @abstractmethod
    def privileged(self, out: Array) -> None:
        """Writes what only a critic may see, (N, privileged_size)."""

    @abstractmethod
    def metrics(self) -> dict[str, Float]:
        """Returns what evaluation measures of the last step, (N,)."""

    @abstractmethod
    def state(self) -> State:
        """Returns everything that a bit-equal continuation needs."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Restores a state that `state` returned."""

    def commanded_motion(self, row: int) -> Float:
        """Returns that robot's motion in the terms of its commands, (commands,) in their units."""
        return np.zeros(0)

    def overlay(self, row: int) -> list[str]:
        """Returns lines that a film shows of that robot, beside its command and motion."""
        return []

    def scene_key(self, row: int) -> int:
        """Returns a number that changes when the scene of that simulation does."""
        return 0

    def decorate(self, spec: mujoco.MjSpec, row: int) -> None:
        """Adds to the robot's scene what is visible of that simulation's world, but
        not simulated."""


def changed(config: C, **values: Any) -> C:
    """Returns the dataclass with those of `values` that are not None."""
    given = {name: value for name, value in values.items() if value is not None}
    return replace(cast(Any, config), **given)


def find_robot_task(name: str) -> TaskConfig:
    """Returns the task of that name, which must be a robot's.

    Raises:
        UserError: as for `find_task`, or it is a benchmark that no robot can run.
    """
    task = find_task(name)
    if not task.deployable:
        raise UserError(f"{name} is a benchmark without a robot; take another task")
    return cast(TaskConfig, task)
