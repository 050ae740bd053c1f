"""`sim2edge export`: a run's policy as one self-contained ONNX file with its contract."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.policy.contract import Provenance, from_metadata, to_metadata
from edge_runtime.policy.inference import Policy as EdgePolicy
from edge_runtime.signals import Array
from policies.export.onnx_graph import actor_network, build_model
from policies.train.actor_critic import Policy
from policies.train.algorithms import make_policy
from policies.train.checkpoint import spent
from policies.train.config import TrainConfig
from policies.train.normalizer import normalizer_sha256
from policies.train.run_folder import CHECKPOINT, POLICY, RunFolder

GOLDEN_VECTORS = 16
TOLERANCE = 1e-5  # between torch and ONNX Runtime, relative to max(1, |action|)


@dataclass(frozen=True)
class ExportConfig:
    """Write a run's policy as one self-contained ONNX file."""

    run: Path
    """A run folder, or its checkpoint.pt."""
    output: Path | None = None
    """Where to write; by default RUN/policy.onnx."""


def main(config: ExportConfig) -> int:
    """Run the command.

    Raises:
        UserError: it is not a run, holds no whole checkpoint, or the file cannot be written.
    """
    run = find_run(config.run)
    output = config.output or run.path / POLICY
    model = export_run(run)
    write_file(output, model)
    contract = EdgePolicy(model, str(output)).contract
    print(
        f"{output}: {contract.task} on {contract.robot}, {contract.provenance.steps:,} steps, "
        f"{contract.observation_size} observations -> {len(contract.actuators)} actions, "
        f"{len(model) / 1e3:.0f} kB"
    )
    return 0


def find_run(path: Path) -> RunFolder:
    """The run of a folder, or of the checkpoint in it.

    Raises:
        UserError: there is none.
    """
    return RunFolder.open(path.parent if path.name == CHECKPOINT else path)


def export_run(run: RunFolder) -> bytes:
    """The policy file of a run's checkpoint.

    Raises:
        UserError: there is no whole checkpoint, or torch and ONNX Runtime disagree.
    """
    return export_checkpoint(run.load(), run.config, run.record, str(run.path))


def export_checkpoint(
    checkpoint: dict[str, Any], config: TrainConfig, record: dict[str, Any], source: str
) -> bytes:
    """The policy file of a checkpoint, tested against torch on recorded observations."""
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
    expected = torch_actions(policy, recorded)
    observations: Array = recorded[:, : contract.observation_size]
    network = actor_network(policy, contract.observation_size)
    steps, seconds = spent(checkpoint)
    some = np.linspace(0, len(observations) - 1, GOLDEN_VECTORS).astype(int)
    contract = dataclasses.replace(
        contract,
        provenance=Provenance(
            commit=record.get("commit", "unknown"),
            seed=config.seed,
            steps=steps,
            algorithm=config.algorithm,
            command=" && ".join(record.get("commands", [])),
            hardware=record.get("hardware", ""),
            train_seconds=round(seconds, 3),
            normalizer_sha256=normalizer_sha256(network.offset, network.inverse_std),
            versions=record.get("versions", {}),
        ),
        golden_observations=_rows(observations[some]),
        golden_actions=_rows(expected[some]),
    )
    model = build_model(network, to_metadata(contract))
    difference = parity(EdgePolicy(model, source), observations, expected)
    if not difference <= TOLERANCE:
        raise UserError(
            f"{source}: torch and ONNX Runtime differ by {difference:.2g}, more than {TOLERANCE:g};"
            " its weights are too large, train anew"
        )
    return model


def restore_policy(checkpoint: dict[str, Any], config: TrainConfig, actor_size: int) -> Policy:
    """The torch policy of a checkpoint."""
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


def torch_actions(policy: Policy, observations: Array) -> Array:
    """The deterministic action torch gives to raw observations (N, n + p), before the clip."""
    with torch.no_grad():
        predicted = policy._predict(torch.from_numpy(observations), deterministic=True)
    actions: Array = predicted.numpy()
    if policy.squash_output:
        actions = policy.unscale_action(actions)
    return actions.astype(np.float32)


def parity(policy: EdgePolicy, observations: Array, expected: Array) -> float:
    """The largest difference from the expected actions, relative to `max(1, |action|)`."""
    given = np.concatenate([policy(row[None]).copy() for row in observations])
    return float(np.max(np.abs(given - expected) / np.maximum(1.0, np.abs(expected))))


def _rows(array: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in array.astype(float).tolist())
