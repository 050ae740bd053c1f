"""Captures and restores all that a training needs to go on as if it had never stopped."""

import copy
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from policies.train.learners.learner import Learner
from policies.train.sb3_env import BatchVecEnv

# Attributes of SB3's algorithms that change from one iteration to the next.
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")
LAST = ("_last_obs", "_last_episode_starts", "_last_original_obs")


def capture(learner: Learner, algorithm: BaseAlgorithm, scaled: VecNormalize) -> dict[str, Any]:
    """Returns the state between two iterations: networks, optimizers, simulations, random
    numbers."""
    return {**_common(algorithm, scaled), **learner.capture(algorithm)}


def keep(learner: Learner, algorithm: BaseAlgorithm, scaled: VecNormalize) -> dict[str, Any]:
    """Returns a copy of that state, from which `restore` takes back one iteration."""
    return {**copy.deepcopy(_common(algorithm, scaled)), **learner.keep(algorithm)}


def _common(algorithm: BaseAlgorithm, scaled: VecNormalize) -> dict[str, Any]:
    env = scaled.venv
    assert isinstance(env, BatchVecEnv)
    names, variables = algorithm._get_torch_save_params()
    returns = scaled.ret_rms
    return {
        "parameters": {name: _attribute(algorithm, name).state_dict() for name in names},
        "variables": {name: _attribute(algorithm, name).detach() for name in variables},
        "counters": {name: getattr(algorithm, name) for name in COUNTERS},
        "last": {name: getattr(algorithm, name) for name in LAST},
        "reward_scale": {
            "mean": returns.mean,
            "var": returns.var,
            "count": returns.count,
            "returns": scaled.returns,
        },
        "scaled_last": {"obs": scaled.old_obs, "reward": scaled.old_reward},
        "env": env.env.state(),
        "statistics": env.statistics.state(),
        "random": {
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(legacy=False),  # noqa: NPY002  as SB3 uses it
            "action_space": env.action_space.np_random.bit_generator.state,
        },
    }


def restore(
    learner: Learner, algorithm: BaseAlgorithm, scaled: VecNormalize, state: dict[str, Any]
) -> None:
    """Restores a `capture`, or takes an iteration back to a `keep`.

    Raises:
        KeyError: it lacks something.
    """
    env = scaled.venv
    assert isinstance(env, BatchVecEnv)
    names, variables = algorithm._get_torch_save_params()
    for name in names:
        _attribute(algorithm, name).load_state_dict(_tensors(state["parameters"][name]))
    for name in variables:
        _attribute(algorithm, name).data.copy_(torch.as_tensor(state["variables"][name]))
    for kind, attributes in (("counters", COUNTERS), ("last", LAST)):
        for name in attributes:
            setattr(algorithm, name, state[kind][name])
    _restore_reward_scale(scaled, state["reward_scale"])
    scaled.returns = state["reward_scale"]["returns"]
    scaled.old_obs = state["scaled_last"]["obs"]
    scaled.old_reward = state["scaled_last"]["reward"]
    env.env.restore(state["env"])
    env.statistics.restore(state["statistics"])
    learner.restore(algorithm, state)
    torch.set_rng_state(torch.as_tensor(state["random"]["torch"]))
    np.random.set_state(state["random"]["numpy"])  # noqa: NPY002  as above
    env.action_space.np_random.bit_generator.state = state["random"]["action_space"]


def begin_with(
    learner: Learner, algorithm: BaseAlgorithm, scaled: VecNormalize, state: dict[str, Any]
) -> None:
    """Takes over from a `capture` what its policy has learnt; exploration starts anew.

    Raises:
        RuntimeError: its networks have another shape.
    """
    learnt = _tensors(state["parameters"]["policy"])
    algorithm.policy.load_state_dict(learnt | learner.exploration(algorithm))
    _restore_reward_scale(scaled, state["reward_scale"])


def spent(state: dict[str, Any]) -> tuple[int, float]:
    """Returns steps and seconds in a checkpoint's policy, including the runs it began with."""
    before = state["inherited"]
    steps = int(state["counters"]["num_timesteps"]) + int(before["steps"])
    return steps, float(state["train_seconds"]) + float(before["seconds"])


def _attribute(algorithm: BaseAlgorithm, path: str) -> Any:
    value: Any = algorithm
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _tensors(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _tensors(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_tensors(value) for value in tree]
    return torch.from_numpy(tree) if isinstance(tree, np.ndarray) else tree


def _restore_reward_scale(scaled: VecNormalize, saved: dict[str, Any]) -> None:
    for name in ("mean", "var", "count"):
        value = saved[name]
        setattr(scaled.ret_rms, name, value[()] if isinstance(value, np.ndarray) else value)
