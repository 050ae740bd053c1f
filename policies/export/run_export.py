"""Exports the policy of a run, or of its checkpoint."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Provenance, from_metadata
from edge_runtime.signals import Array
from policies.export.checked_model import checked_model
from policies.train.algorithms import find_learner, make_policy
from policies.train.checkpoint import spent
from policies.train.config import TrainConfig
from policies.train.run_folder import CHECKPOINT, RunFolder


def find_run(path: Path) -> RunFolder:
    """Finds the run of a folder, or of the checkpoint in it.

    Raises:
        UserError: there is none.
    """
    return RunFolder.open(path.parent if path.name == CHECKPOINT else path)


def export_run(run: RunFolder) -> bytes:
    """Returns the policy file of a run's checkpoint.

    Raises:
        UserError: there is no whole checkpoint, or torch and ONNX Runtime disagree.
    """
    checkpoint, config, record = run.load(), run.config, run.record
    with run.reading():
        return export_checkpoint(checkpoint, config, record, str(run.path))


def export_checkpoint(
    checkpoint: dict[str, Any], config: TrainConfig, record: dict[str, Any], source: str
) -> bytes:
    """Returns the policy file of a checkpoint, tested against torch on recorded observations."""
    if not checkpoint["contract"]:
        raise UserError(
            f"{source}: {config.task.name} is a benchmark without a robot; its policies stay in "
            "their run"
        )
    contract = from_metadata(checkpoint["contract"], source)
    weights = checkpoint["parameters"]["policy"]
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise UserError(f"{source}: its weights are not finite; train anew")
    policy = restore_policy(checkpoint, config, contract.observation_size)
    recorded = checkpoint["last"]["_last_obs"]
    steps, seconds = spent(checkpoint)
    provenance = Provenance(
        commit=record.get("commit", "unknown"),
        seed=config.seed,
        steps=steps,
        algorithm=config.algorithm,
        command=" && ".join(record.get("commands", [])),
        hardware=record.get("hardware", ""),
        train_seconds=round(seconds, 3),
        versions=record.get("versions", {}),
    )
    return checked_model(
        find_learner(config).actor_network(policy, contract.observation_size),
        dataclasses.replace(contract, provenance=provenance),
        recorded[:, : contract.observation_size],
        torch_actions(policy, recorded),
        source,
    )


def restore_policy(checkpoint: dict[str, Any], config: TrainConfig, actor_size: int) -> BasePolicy:
    """Returns the torch policy of a checkpoint."""
    size = checkpoint["last"]["_last_obs"].shape[1]
    limit = checkpoint["action_limit"]
    prior = checkpoint["prior"]
    policy = make_policy(
        config,
        spaces.Box(-np.inf, np.inf, (size,), np.float32),
        spaces.Box(-limit, limit, dtype=np.float32),
        actor_size,
        prior,
    )
    weights = checkpoint["parameters"]["policy"]
    policy.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    policy.set_training_mode(False)
    return policy


def torch_actions(policy: BasePolicy, observations: Array) -> Array:
    """Returns the deterministic actions torch gives to raw observations (N, n + p), before the
    clip."""
    with torch.no_grad():
        predicted = policy._predict(torch.from_numpy(observations), deterministic=True)
    actions: Array = predicted.numpy()
    if policy.squash_output:
        actions = policy.unscale_action(actions)
    return actions.astype(np.float32)
