"""`sim2edge export`: a policy as one self-contained ONNX file with its contract."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.policy.contract import Contract, Provenance, from_metadata, to_metadata
from edge_runtime.policy.inference import Policy as EdgePolicy
from edge_runtime.signals import Array
from policies.export.onnx_graph import ActorNetwork, actor_network, build_model
from policies.export.sb3_zip import read_model, write_ppo
from policies.export.vec_normalize import find_normalizer, read_normalizer
from policies.train.actor_critic import AsymmetricActorCritic, Policy
from policies.train.algorithms import make_policy
from policies.train.checkpoint import spent
from policies.train.config import TrainConfig
from policies.train.normalizer import normalizer_sha256
from policies.train.run_folder import CHECKPOINT, POLICY, RunFolder
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.task import TaskConfig

GOLDEN_VECTORS = 16
SB3_STEPS = 60  # control steps for which a foreign policy drives the task, to be compared
TOLERANCE = 1e-5  # between torch and ONNX Runtime, relative to max(1, |action|)


@dataclass(frozen=True)
class ExportConfig:
    """Write a policy as one self-contained ONNX file."""

    run: Path
    """A run folder, its checkpoint.pt, or the model.zip of a training by Stable-Baselines3."""
    output: Path | None = None
    """Where to write; by default RUN/policy.onnx, or model.onnx beside model.zip."""
    task: str = ""
    """The task that a model.zip was trained for."""
    normalizer: Path | None = None
    """The pickled VecNormalize that a model.zip was trained behind; by default the
    vecnormalize.pkl beside it, if there is one."""
    sb3: Path | None = None
    """Write a run's PPO policy here too, for PPO.load of Stable-Baselines3."""


def main(config: ExportConfig) -> int:
    """Run the command.

    Raises:
        UserError: it is not a run, holds no whole checkpoint, or the file cannot be written.
    """
    if config.run.suffix == ".zip":
        model, output = _export_zip(config)
    else:
        model, output = _export_own(config)
    write_file(output, model)
    contract = EdgePolicy(model, str(output)).contract
    print(
        f"{output}: {contract.task} on {contract.robot}, {contract.provenance.steps:,} steps, "
        f"{contract.observation_size} observations -> {len(contract.actuators)} actions, "
        f"{len(model) / 1e3:.0f} kB"
    )
    return 0


def _export_own(config: ExportConfig) -> tuple[bytes, Path]:
    """A run's policy file, and where to write it."""
    if config.task or config.normalizer is not None:
        raise UserError("--task and --normalizer are for a model.zip; a run knows its own")
    run = find_run(config.run)
    model = export_run(run)
    if config.sb3 is not None:
        _write_sb3(run, config.sb3)
    return model, config.output or run.path / POLICY


def _export_zip(config: ExportConfig) -> tuple[bytes, Path]:
    """The policy file of a model.zip, and where to write it."""
    if not config.task:
        raise UserError(f"{config.run} does not say what it was trained for; give --task NAME")
    if config.sb3 is not None:
        raise UserError("--sb3 is for a run; a model.zip is one of Stable-Baselines3 already")
    task = find_task(config.task)
    if not isinstance(task, TaskConfig):
        raise UserError(f"{config.task} is a benchmark without a robot; nothing could be driven")
    model = export_sb3(config.run, task, config.normalizer)
    return model, config.output or config.run.with_suffix(".onnx")


def _write_sb3(run: RunFolder, path: Path) -> None:
    checkpoint = run.load()
    size = from_metadata(checkpoint["contract"], str(run.path)).observation_size
    policy = restore_policy(checkpoint, run.config, size)
    if not isinstance(policy, AsymmetricActorCritic):
        raise UserError(
            f"--sb3: {run.path} learns by {run.config.algorithm}; only PPO's is written"
        )
    write_ppo(policy, size, path)


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
        actor_network(policy, contract.observation_size),
        dataclasses.replace(contract, provenance=provenance),
        recorded[:, : contract.observation_size],
        torch_actions(policy, recorded),
        source,
    )


def export_sb3(path: Path, task: TaskConfig, normalizer: Path | None) -> bytes:
    """The policy file of a model that plain Stable-Baselines3 or RL Zoo trained.

    It is tested against torch on observations from the task, driven by the policy itself.

    Args:
        path: the model's zip file.
        task: what it was trained for.
        normalizer: the pickled VecNormalize it was trained behind; by default the one beside it.

    Raises:
        UserError: one of the files is none, the actor does not fit the task or is no plain
            perceptron, or torch and ONNX Runtime disagree.
    """
    model = read_model(path)
    pickled = normalizer or find_normalizer(path)
    statistics = None if pickled is None else read_normalizer(pickled)
    env = TaskVectorEnv(task, GOLDEN_VECTORS, seed=model.seed)
    try:
        contract = env.contract()
        model.check(contract.observation_size, len(contract.actuators), contract.action_clip)
        if statistics is not None and len(statistics.mean) != contract.observation_size:
            raise UserError(
                f"{pickled} normalizes {len(statistics.mean)} observations, the task has "
                f"{contract.observation_size}"
            )
        observations = [env.reset()[0]]
        for _ in range(SB3_STEPS):
            observations.append(env.step(model.actions(observations[-1], statistics))[0])
    finally:
        env.close()
    provenance = Provenance(
        seed=model.seed,
        steps=model.steps,
        algorithm="stable-baselines3",
        versions=model.versions,
    )
    seen = np.concatenate(observations)
    return checked_model(
        model.network(statistics),
        dataclasses.replace(contract, provenance=provenance),
        seen,
        model.actions(seen, statistics),
        str(path),
    )


def checked_model(
    network: ActorNetwork, contract: Contract, observations: Array, expected: Array, source: str
) -> bytes:
    """The policy file of an actor, with golden vectors, if it does what torch does.

    Args:
        network: the actor.
        contract: all but golden vectors and the normalizer's hash.
        observations: on which to compare, (N, n).
        expected: what torch gives for them, (N, A).
        source: what messages call it.

    Raises:
        UserError: torch and ONNX Runtime disagree.
    """
    some = np.linspace(0, len(observations) - 1, GOLDEN_VECTORS).astype(int)
    hashed = normalizer_sha256(network.offset, network.inverse_std)
    contract = dataclasses.replace(
        contract,
        provenance=dataclasses.replace(contract.provenance, normalizer_sha256=hashed),
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
