"""Makes Stable-Baselines3's algorithms, or their policies alone, from a training config, by name.

An algorithm of another package is a class like those here, `Learner`, registered as
`sim2edge.algorithms` or by `ALGORITHMS.register(name)`. The trainer asks the learner, not the
type of its algorithm, so any `BaseAlgorithm` of Stable-Baselines3 will do.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import TQC
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from edge_runtime.errors import UserError
from edge_runtime.plugins import Registry
from edge_runtime.signals import Array
from policies.train.actor_critic import (
    AsymmetricActorCritic,
    AsymmetricFeatures,
    AsymmetricSACPolicy,
    AsymmetricTQCPolicy,
    SharedFeatures,
)
from policies.train.actor_network import (
    ActorNetwork,
    gaussian_actor,
    set_gaussian_actor,
    squashed_actor,
)
from policies.train.config import TrainConfig
from policies.train.normalizer import RunningNormalizer
from policies.train.ppo import BatchPPO
from policies.train.sb3_env import BatchVecEnv
from policies.train.symmetry import find_mirror
from sim.tasks.protocols import BatchEnv, BatchTask

ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "tanh": nn.Tanh, "relu": nn.ReLU}
_NUMBER = 4  # bytes, of a float32
OFF_POLICY_HORIZON = 32  # control steps between two looks at the clock and the display
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


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


class PPOLearner(Learner):
    """Trains by proximal policy optimization on large batches."""

    def check(self) -> None:
        # The advantages of a minibatch are scaled by their standard deviation.
        minibatch, rollout = self.config.ppo.minibatch, self.horizon * self.config.num_envs
        if 1 in (minibatch, rollout, rollout % minibatch):
            raise UserError(
                f"a rollout of {rollout} samples (--ppo.horizon times --num-envs) cannot be cut "
                f"into minibatches of {minibatch}, for one of them would hold a single sample"
            )

    def memory(self, observation: int = 1, action: int = 1) -> Mapping[str, int]:
        ppo, count = self.config.ppo, self.config.num_envs
        stored = _NUMBER * ppo.horizon * count * (observation + action + 6)
        return {
            f"--ppo.horizon {ppo.horizon} times --num-envs {count}": stored,
            **_network_memory("--ppo.actor-layers", ppo.actor_layers, observation),
            **_network_memory("--ppo.critic-layers", ppo.critic_layers, observation),
        }

    @property
    def gamma(self) -> float:
        return self.config.ppo.gamma

    @property
    def horizon(self) -> int:
        return self.config.ppo.horizon

    def policy(
        self, space: spaces.Box, actor_size: int, prior: Array | None
    ) -> tuple[Any, dict[str, Any]]:
        ppo = self.config.ppo
        return AsymmetricActorCritic, {
            "features_extractor_class": AsymmetricFeatures,
            "features_extractor_kwargs": {"actor_size": actor_size, "prior": prior},
            "net_arch": {"pi": list(ppo.actor_layers), "vf": list(ppo.critic_layers)},
            "activation_fn": ACTIVATIONS[ppo.activation],
            "log_std_init": ppo.initial_log_std,
            "optimizer_kwargs": {"eps": 1e-5, "fused": True},
        }

    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        ppo = self.config.ppo
        # SB3 warns of a last minibatch that is smaller, which `BatchPPO` splits off without harm.
        algorithm = BatchPPO(
            **common,
            learning_rate=ppo.learning_rate,
            n_steps=ppo.horizon,
            batch_size=ppo.horizon * self.config.num_envs,
            n_epochs=ppo.epochs,
            gamma=ppo.gamma,
            gae_lambda=ppo.gae_lambda,
            ent_coef=ppo.entropy,
            vf_coef=ppo.value,
            max_grad_norm=ppo.max_grad_norm,
        )
        algorithm.desired_kl, algorithm.clip_ratio = ppo.desired_kl, ppo.clip_range
        algorithm.symmetry, algorithm.batch_size = ppo.symmetry, ppo.minibatch
        return algorithm

    def actor_network(self, policy: Any, actor_size: int) -> ActorNetwork:
        return gaussian_actor(policy, actor_size)

    def prepare(self, algorithm: Any, task: BatchTask, env: BatchEnv) -> None:
        if self.config.begins_with_policy:
            rollout = self.horizon * self.config.num_envs
            algorithm.critic_steps = self.config.ppo.critic_first * rollout
        if not self.config.ppo.symmetry:
            return
        if not task.mirror_signs:
            raise UserError(
                f"--ppo.symmetry: the robot of {task.name} is not known to be symmetric; leave it 0"
            )
        algorithm.mirror = find_mirror(env.contract(), task.mirror_signs)

    def take_actor(self, algorithm: Any, network: ActorNetwork) -> None:
        set_gaussian_actor(algorithm.policy, network, self.horizon * self.config.num_envs)

    def exploration(self, algorithm: Any) -> dict[str, torch.Tensor]:
        return {"log_std": algorithm.policy.log_std.detach()}


class SACLearner(Learner):
    """Trains by soft actor-critic."""

    kind: ClassVar[type[SAC] | type[TQC]] = SAC
    policy_class: ClassVar[Any] = AsymmetricSACPolicy

    def check(self) -> None:
        config = self.config
        if config.sac.buffer_size < config.num_envs:
            raise UserError(
                f"--sac.buffer-size is {config.sac.buffer_size}; it must hold a transition of each "
                f"of the {config.num_envs} simulations"
            )

    def memory(self, observation: int = 1, action: int = 1) -> Mapping[str, int]:
        sac, transition = self.config.sac, _NUMBER * (2 * observation + action + 3)
        return {
            f"--sac.buffer-size {sac.buffer_size}": sac.buffer_size * transition,
            f"--sac.batch {sac.batch}": sac.batch * transition,
            **_network_memory("--sac.actor-layers", sac.actor_layers, observation),
            **_network_memory("--sac.critic-layers", sac.critic_layers, observation),
        }

    @property
    def gamma(self) -> float:
        return self.config.sac.gamma

    @property
    def horizon(self) -> int:
        return OFF_POLICY_HORIZON

    @property
    def action_limit(self) -> float | None:
        return self.config.sac.action_limit

    def policy(
        self, space: spaces.Box, actor_size: int, prior: Array | None
    ) -> tuple[Any, dict[str, Any]]:
        sac = self.config.sac
        return self.policy_class, {
            "features_extractor_class": SharedFeatures,
            "features_extractor_kwargs": {
                "normalizer": RunningNormalizer(space.shape[0]),
                "actor_size": actor_size,
            },
            "net_arch": {"pi": list(sac.actor_layers), "qf": list(sac.critic_layers)},
            "optimizer_kwargs": {"fused": True},
        }

    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        sac = self.config.sac
        return self.kind(
            **common,
            learning_rate=sac.learning_rate,
            buffer_size=sac.buffer_size,
            learning_starts=sac.learning_starts,
            batch_size=sac.batch,
            tau=sac.tau,
            gamma=sac.gamma,
            ent_coef=f"auto_{sac.initial_entropy}",
            train_freq=1,
            gradient_steps=sac.gradient_steps,
        )

    def actor_network(self, policy: Any, actor_size: int) -> ActorNetwork:
        return squashed_actor(policy, actor_size)

    def after_iteration(self, algorithm: Any) -> None:
        algorithm.policy.normalizer.update(torch.from_numpy(algorithm._last_obs))

    def capture(self, algorithm: Any) -> dict[str, Any]:
        buffer = algorithm.replay_buffer
        filled = buffer.buffer_size if buffer.full else buffer.pos
        arrays = {name: getattr(buffer, name)[:filled] for name in REPLAY}
        return {"replay": {"position": buffer.pos, "full": buffer.full, "arrays": arrays}}

    def keep(self, algorithm: Any) -> dict[str, Any]:
        """Keeps of the replay buffer only the rows that the iteration will write over."""
        buffer = algorithm.replay_buffer
        count = min(self.horizon, buffer.buffer_size)
        rows = (buffer.pos + np.arange(count)) % buffer.buffer_size
        arrays = {name: getattr(buffer, name)[rows] for name in REPLAY}
        replay = {"position": buffer.pos, "full": buffer.full, "arrays": arrays, "rows": rows}
        return {"replay": replay}

    def restore(self, algorithm: Any, state: dict[str, Any]) -> None:
        buffer, replay = algorithm.replay_buffer, state["replay"]
        buffer.pos, buffer.full = replay["position"], replay["full"]
        for name, array in replay["arrays"].items():
            getattr(buffer, name)[replay.get("rows", slice(len(array)))] = array


class TQCLearner(SACLearner):
    """Trains by truncated quantile critics."""

    kind = TQC
    policy_class = AsymmetricTQCPolicy


def _network_memory(option: str, layers: Sequence[int], inputs: int) -> dict[str, int]:
    """Returns the least bytes of a network that learns, by its option as it is given: of weights,
    their gradient and Adam's two moments."""
    weights = sum(before * after for before, after in pairwise((inputs, *layers)))
    return {" ".join(map(str, (option, *layers))): 4 * _NUMBER * weights}


ALGORITHMS: Registry[type[Learner]] = Registry(
    "sim2edge.algorithms",
    "algorithm",
    lambda thing: isinstance(thing, type) and issubclass(thing, Learner),
    "a subclass of policies.train.algorithms.Learner",
)


def find_learner(config: TrainConfig) -> Learner:
    """Returns what makes the algorithm that a config asks for.

    Raises:
        UserError: there is none of that name.
    """
    return ALGORITHMS.find(config.algorithm)(config)


def make_algorithm(
    learner: Learner, env: BatchVecEnv, prior: Array | None
) -> tuple[BaseAlgorithm, VecNormalize]:
    """Makes the algorithm, and the environment it acts on, with scaled rewards.

    Unscaled returns of several hundred would drown the policy's gradient in the value's under
    one gradient-norm clip.

    Args:
        learner: the learner of the algorithm.
        env: what it learns from.
        prior: (A, n) the map from the gait clock to the action that the policy starts from, or
            None.
    """
    policy_class, policy_kwargs = learner.policy(env.observation_space, env.actor_size, prior)
    scaled = VecNormalize(env, norm_obs=False, norm_reward=True, gamma=learner.gamma)
    common: dict[str, Any] = {
        "policy": policy_class,
        "env": scaled,
        "policy_kwargs": policy_kwargs,
        "seed": learner.config.seed,
        "device": "cpu",
    }
    return learner.make(common), scaled


def make_policy(
    config: TrainConfig,
    observation_space: spaces.Box,
    action_space: spaces.Box,
    actor_size: int,
    prior: Array | None,
) -> BasePolicy:
    """Makes an untrained policy of the shape that the config asks for; see `make_algorithm` for
    `prior`."""
    policy_class, kwargs = find_learner(config).policy(observation_space, actor_size, prior)
    policy: BasePolicy = policy_class(
        observation_space, action_space, FloatSchedule(1e-3), **kwargs
    )
    return policy
