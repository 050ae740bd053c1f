"""Makes Stable-Baselines3's algorithms, or their policies alone, from a training config, by name.

An algorithm of another package is a class like those here, `Learner`, registered as
`sim2edge.algorithms` or by `ALGORITHMS.register(name)`. The trainer asks the learner, not the
type of its algorithm, so any `BaseAlgorithm` of Stable-Baselines3 will do.
"""

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecNormalize

from edge_runtime.plugins import Registry
from edge_runtime.signals import Array
from policies.train.config import TrainConfig
from policies.train.learners.learner import Learner
from policies.train.sb3_env import BatchVecEnv

ALGORITHMS: Registry[type[Learner]] = Registry(
    "sim2edge.algorithms",
    "algorithm",
    lambda thing: isinstance(thing, type) and issubclass(thing, Learner),
    "a subclass of policies.train.learners.learner.Learner",
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
