"""Wraps the native batch as a Stable-Baselines3 vector environment."""

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from edge_runtime.signals import Array
from policies.train.rollout_statistics import RolloutStatistics
from sim.envs.arguments import check_actions
from sim.envs.make_batch import make_batch
from sim.tasks import find_task
from sim.tasks.protocols import BatchEnv


class BatchVecEnv(VecEnv):
    """Steps all simulations of a batch at once.

    Observations are [actor's part, privileged part], or the actor's alone. Only rows whose episode
    ended get an info dict of their own; all others share one empty dict, which nobody may write to.
    """

    observation_space: spaces.Box
    action_space: spaces.Box

    def __init__(
        self,
        env: BatchEnv,
        action_limit: float | None = None,
        *,
        privileged: bool = True,
        checked: bool = False,
    ) -> None:
        self.env = env
        self._privileged, self._checked = privileged, checked
        observations = env.single_observation_space
        assert isinstance(observations, spaces.Box)
        self.actor_size = observations.shape[0]
        size = self.actor_size + privileged * env.privileged.shape[1]
        actions = env.single_action_space
        assert isinstance(actions, spaces.Box)
        if action_limit is not None:
            low = np.maximum(actions.low, -action_limit)
            actions = spaces.Box(low, np.minimum(actions.high, action_limit), dtype=np.float32)
        super().__init__(env.num_envs, spaces.Box(-np.inf, np.inf, (size,), np.float32), actions)
        self.statistics = RolloutStatistics(env.num_envs)
        self._infos: list[dict[str, Any]] = [{}] * env.num_envs
        self._actions = np.zeros((env.num_envs, *actions.shape), np.float32)

    def reset(self) -> VecEnvObs:
        seed = self._seeds[0]
        observation, _ = self.env.reset(seed=seed)
        self._reset_seeds()
        self._reset_options()
        return self._join(observation, self.env.privileged)

    def step_async(self, actions: np.ndarray) -> None:
        """Keeps the actions, (N, A), for `step_wait`.

        Raises:
            ValueError: they are checked, and of another shape or not finite.
        """
        if self._checked:
            shape = (self.num_envs, *self.action_space.shape)
            actions = check_actions(actions, shape, np.ones(self.num_envs, bool))
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Steps all simulations; returns observations, rewards (N,), ends (N,) and an info for
        each."""
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        ended = self.statistics.take(self.env, reward, terminated, done)
        infos = self._infos
        if ended.size:
            infos = infos.copy()
            final = self._join(info["final_obs"][ended], info["final_privileged"][ended])
            timeout = truncated[ended] & ~terminated[ended]
            for row, last, limit in zip(ended, final, timeout, strict=True):
                infos[row] = {"terminal_observation": last, "TimeLimit.truncated": bool(limit)}
        rewards = reward.astype(np.float32)
        return self._join(observation, self.env.privileged), rewards, done, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Returns an attribute of the batch, once for each index."""
        # Asked for while this is made; a task's own batch may have nothing to render by.
        default = (None,) if attr_name == "render_mode" else ()
        return [getattr(self.env, attr_name, *default)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raises NotImplementedError: the simulations of a batch have no attributes of their
        own."""
        raise NotImplementedError("the simulations of a batch have no attributes of their own")

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Raises NotImplementedError: the simulations of a batch have no methods of their own."""
        raise NotImplementedError("the simulations of a batch have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Returns False for each index, for no wrapper fits a batch."""
        return [False] * len(list(self._get_indices(indices)))

    def _join(self, observation: npt.NDArray[Any], privileged: Array) -> Array:
        if not self._privileged:
            return observation.astype(np.float32)
        return np.concatenate([observation, privileged], axis=1, dtype=np.float32)


def sim2edge_vec_env(
    task: str, num_envs: int = 64, *, seed: int = 0, threads: int = 0, **fields: Any
) -> VecEnv:
    """Makes a task's vector environment for Stable-Baselines3's own algorithms.

    Observations are what the robot's policy will see, without what is privileged, so that a
    policy learnt here can be deployed: `sim2edge export model.zip --task TASK`.

    Args:
        task: its name.
        num_envs: simulations side by side.
        seed: decides everything random in them.
        threads: physics threads, 0 for all cores.
        fields: replace those of the task's config; an exported policy has the task's own.

    Raises:
        UserError: there is no such task or field.
    """
    config = find_task(task, **fields)
    batch = make_batch(config.for_training(), num_envs, seed=seed, threads=threads, stagger=True)
    return VecMonitor(BatchVecEnv(batch, privileged=False, checked=True))
