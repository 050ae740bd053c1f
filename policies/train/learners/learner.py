"""Declares what an algorithm of Stable-Baselines3 needs to train here: its learner."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.signals import Array
from policies.train.config import TrainConfig
from sim.tasks.protocols import BatchEnv, BatchTask

ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "tanh": nn.Tanh, "relu": nn.ReLU}
NUMBER_SIZE = 4  # bytes, of a float32


class Learner(ABC):
    """Makes an algorithm and its policy from a training's config, and does what is theirs alone.

    Args:
        config: the training's config.
    """

    settings: ClassVar[Any] = None
    """The default config of an algorithm from another package: a frozen dataclass, whose fields are
    the options `--settings.*` and arrive as `config.settings`."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def check(self) -> None:
        """Refuses settings that the algorithm cannot have; by default none.

        Raises:
            UserError: names the option.
        """

    def memory(self, observation: int = 1, action: int = 1) -> Mapping[str, int]:
        """Returns how many bytes the training takes at least, beside its simulations, by the option
        that asks for them, as it is given; by default none.

        Args:
            observation: numbers in an observation, the privileged part with them; 1 if unknown.
            action: numbers in an action.
        """
        return {}

    @property
    @abstractmethod
    def gamma(self) -> float:
        """Returns the discount of one control step."""

    @property
    @abstractmethod
    def horizon(self) -> int:
        """Returns the control steps of each simulation in one iteration."""

    @property
    def action_limit(self) -> float | None:
        """Returns the bound of the action that the algorithm may use; None for the robot's own
        clip."""
        return None

    @abstractmethod
    def policy(
        self, space: spaces.Box, actor_size: int, prior: Array | None
    ) -> tuple[Any, dict[str, Any]]:
        """Returns SB3's policy class and its arguments.

        Args:
            space: observations, [actor's part (n), privileged part (p)].
            actor_size: n.
            prior: a linear map (A, n) from the actor's part that is added to the mean action.
        """

    @abstractmethod
    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        """Makes the algorithm; `common` are the arguments that all of SB3's take."""

    @abstractmethod
    def actor_network(self, policy: Any, actor_size: int) -> ActorNetwork:
        """Returns the part of a trained policy that runs on a robot.

        Args:
            policy: an instance of what `policy` names.
            actor_size: entries of the robot's observation.
        """

    def prepare(self, algorithm: Any, task: BatchTask, env: BatchEnv) -> None:
        """Gives a new algorithm what it needs of its task; by default nothing.

        Raises:
            UserError: the task lacks what the config asks for.
        """

    def after_iteration(self, algorithm: Any) -> None:
        """Does what follows a rollout and its updates; by default nothing."""

    def take_actor(self, algorithm: Any, network: ActorNetwork) -> None:
        """Starts a new algorithm with the actor of a policy file.

        Raises:
            UserError: the algorithm cannot; by default.
            RuntimeError: its networks have another shape.
        """
        raise UserError(
            f"--algorithm {self.config.algorithm} cannot start from a policy file, which has no "
            "critic; give the run folder"
        )

    def exploration(self, algorithm: Any) -> dict[str, torch.Tensor]:
        """Returns the policy's weights, by name, that a run keeps when it begins with the policy
        of another; by default none."""
        return {}

    def capture(self, algorithm: Any) -> dict[str, Any]:
        """Returns what a checkpoint needs beyond networks, optimizers and counters, by names of
        the algorithm's own; by default nothing."""
        return {}

    def keep(self, algorithm: Any) -> dict[str, Any]:
        """Returns a copy of `capture`, from which `restore` takes back one iteration."""
        return copy.deepcopy(self.capture(algorithm))

    def restore(self, algorithm: Any, state: dict[str, Any]) -> None:
        """Restores a `capture` from a whole checkpoint."""


def network_memory(option: str, layers: Sequence[int], inputs: int) -> dict[str, int]:
    """Returns the least bytes of a network that learns, by its option as it is given: of weights,
    their gradient and Adam's two moments."""
    weights = sum(before * after for before, after in pairwise((inputs, *layers)))
    return {" ".join(map(str, (option, *layers))): 4 * NUMBER_SIZE * weights}
