"""Exports models that plain Stable-Baselines3 or RL Zoo trained."""

import dataclasses
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Provenance
from policies.export.checked_model import GOLDEN_VECTORS, checked_model
from policies.export.sb3_zip import read_sb3_model
from policies.export.vec_normalize import find_normalizer, read_normalizer
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.task import TaskConfig

SB3_STEPS = 60  # control steps for which a foreign policy drives the task, to be compared


def export_sb3(path: Path, task: TaskConfig, normalizer: Path | None) -> bytes:
    """Returns the policy file of a model that plain Stable-Baselines3 or RL Zoo trained.

    It is tested against torch on observations from the task, driven by the policy itself.

    Args:
        path: the model's zip file.
        task: what it was trained for.
        normalizer: the pickled VecNormalize it was trained behind; by default the one that
            `find_normalizer` finds.

    Raises:
        UserError: one of the files is none, the actor does not fit the task, is no plain
            perceptron or has a normalizer of its own, or torch and ONNX Runtime disagree.
    """
    model = read_sb3_model(path)
    pickled = normalizer or find_normalizer(path)
    statistics = None if pickled is None else read_normalizer(pickled)
    if statistics is not None and model.normalizes:
        raise UserError(
            f"{path} normalizes its observations itself, so {pickled} cannot be folded in too: "
            "move that file away, or train on without VecNormalize's norm_obs"
        )
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
        normalizer_file="" if statistics is None else str(pickled),
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
