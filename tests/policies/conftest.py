"""A training as short as one can be, shared by the tests of what follows from it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies.commands import train
from policies.evaluation.policy_file import PolicyFile
from policies.train.config import TrainConfig
from policies.train.recipes import recipe
from policies.train.run_folder import load_checkpoint
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.settings import Practice
from tests.policies.short_gauntlets import POLICIES

ENVS, HORIZON = 8, 8
ITERATION = ENVS * HORIZON
ShortTraining = Callable[..., TrainConfig]


def short(run_dir: Path, task: str = "HumanoidVelocity", **changes: object) -> TrainConfig:
    """A training of two iterations; `changes` replace other fields."""
    base = recipe(task)
    ppo = dataclasses.replace(base.ppo, horizon=HORIZON, minibatch=32, epochs=2)
    sac = dataclasses.replace(
        base.sac,
        buffer_size=2000,
        learning_starts=ENVS * 16,
        batch=16,
        gradient_steps=1,
        actor_layers=(16, 16),
        critic_layers=(16, 16),
    )
    fields = {"ppo": ppo, "sac": sac, "num_envs": ENVS, "steps": 2 * ITERATION}
    fields |= {"threads": 1, "learning_threads": 1}  # two that wait for each other are slow
    return dataclasses.replace(base, **{**fields, "run_dir": run_dir, **changes})


def practising(seconds: float) -> HumanoidVelocity:
    """A task whose training has episodes of this length."""
    return HumanoidVelocity(practice=Practice(episode_seconds=seconds))


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Places where two checkpoints differ in any bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        return [d for key in one for d in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)):
        assert len(one) == len(other), path
        pairs = enumerate(zip(one, other))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}/{i}")]
    if isinstance(one, np.ndarray):
        return [] if one.tobytes() == other.tobytes() else [path]
    return [] if one == other else [path]


def checkpoint(run: Path) -> dict[str, Any]:
    loaded = load_checkpoint(run / "checkpoint.pt")
    del loaded["train_seconds"]
    return loaded


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    run = tmp_path_factory.mktemp("runs") / "trained"
    assert train.main(short(run)) == 0
    return run


@pytest.fixture(scope="session")
def walker() -> PolicyFile:
    return PolicyFile.find(POLICIES / "HumanoidVelocity.onnx")


@pytest.fixture(scope="session")
def driver() -> PolicyFile:
    return PolicyFile.find(POLICIES / "VehicleTrack.onnx")
