"""Policies of plain Stable-Baselines3 come in with their normalizer, and ours go out to it."""

import copy
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import TQC
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.vec_env import VecNormalize

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import Policy
from policies.commands.export import ExportConfig, main
from policies.export.vec_normalize import find_normalizer, read_normalizer
from policies.train.sb3_env import sim2edge_vec_env

HUMANOID = "HumanoidVelocity"
SMALL: dict[str, Any] = {"policy_kwargs": {"net_arch": [16, 8]}}
OFF_POLICY = {**SMALL, "learning_starts": 8, "batch_size": 8, "buffer_size": 100}
KINDS = {
    "ppo": (PPO, {**SMALL, "n_steps": 8, "batch_size": 16}),
    "a2c": (A2C, SMALL),
    "sac": (SAC, OFF_POLICY),
    "tqc": (TQC, OFF_POLICY),
    "td3": (TD3, OFF_POLICY),
    "linear_sac": (SAC, {**OFF_POLICY, "policy_kwargs": {"net_arch": {"pi": [], "qf": [8]}}}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder as RL Zoo leaves it: a model, and its normalizer in a folder beside it."""
    path = tmp_path_factory.mktemp("zoo")
    env = VecNormalize(sim2edge_vec_env("VehicleTrack", 4, threads=1), clip_obs=3.0)
    activation = {"policy_kwargs": {"net_arch": [16], "activation_fn": torch.nn.ELU}}
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=16, seed=5, **activation)
    model.learn(64).save(path / "model")
    (path / "VehicleTrack").mkdir()
    env.save(str(path / "VehicleTrack" / "vecnormalize.pkl"))
    (path / "VehicleTrack" / "args.yml").touch()
    return path


def test_a_model_and_its_normalizer_become_one_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ExportConfig(folder / "model.zip", task="VehicleTrack")) == 0
    policy = Policy.load(folder / "model.onnx")
    normalizer = str(folder / "VehicleTrack" / "vecnormalize.pkl")
    assert policy.contract.provenance.normalizer_file == normalizer
    assert f"normalizer: {normalizer}" in capsys.readouterr().out
    contract = policy.contract
    assert (contract.task, contract.robot) == ("VehicleTrack", "vehicle")
    assert contract.provenance.steps == 64
    assert contract.provenance.seed == 5
    assert len(contract.golden_observations) == 16
    env = VecNormalize.load(
        str(folder / "VehicleTrack" / "vecnormalize.pkl"), sim2edge_vec_env("VehicleTrack", 4)
    )
    model = PPO.load(folder / "model.zip")
    for row in np.float32(contract.golden_observations):
        given, _ = model.predict(env.normalize_obs(row), deterministic=True)
        clipped = np.clip(policy(row[None])[0], -contract.action_clip, contract.action_clip)
        np.testing.assert_allclose(clipped, given, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_actor_is_exported(name: str, tmp_path: Path) -> None:
    kind, options = KINDS[name]
    model = kind(
        "MlpPolicy", sim2edge_vec_env("VehicleTrack", 2, threads=1), **copy.deepcopy(options)
    )
    model.learn(24).save(tmp_path / "model")
    assert main(ExportConfig(tmp_path / "model.zip", task="VehicleTrack")) == 0
    policy = Policy.load(tmp_path / "model.onnx")
    for row in np.float32(policy.contract.golden_observations[:4]):
        given, _ = model.predict(row, deterministic=True)
        np.testing.assert_allclose(np.clip(policy(row[None])[0], -5, 5), given, atol=1e-5)


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    def refused(said: str, path: Path, **options: Any) -> None:
        with pytest.raises(UserError, match=said):
            main(ExportConfig(path, output=tmp_path / "out.onnx", **options))

    model = folder / "model.zip"
    refused("does not say what it was trained for", model)
    refused(
        "77 observations and 2 actions, the task has 153 and 19", model, task="HumanoidVelocity"
    )
    refused("no VecNormalize", model, task="VehicleTrack", normalizer=model)
    refused("did you mean 'VehicleTrack'", model, task="VehicleTrak")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(model.read_bytes()[:-200])
    refused("no model of Stable-Baselines3, or damaged", broken, task="VehicleTrack")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("data", "{}")
    refused("no model of Stable-Baselines3, or damaged", other, task="VehicleTrack")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch hacked",)


def test_no_code_of_a_pickle_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "vecnormalize.pkl"
    path.write_bytes(pickle.dumps({"norm_obs": Evil()}))
    with pytest.raises(UserError, match="no VecNormalize"):
        read_normalizer(path)
    assert not (tmp_path / "hacked").exists()


def test_a_normalizer_is_found_beside_its_model(tmp_path: Path) -> None:
    model = tmp_path / "ppo_500_steps.zip"
    assert find_normalizer(model) is None
    zoo = tmp_path / "Task-v0" / "vecnormalize.pkl"
    zoo.parent.mkdir()
    zoo.touch()
    assert find_normalizer(model) is None  # it may be another model's
    (zoo.parent / "config.yml").touch()
    assert find_normalizer(model) == zoo
    zoo.parent.rename(tmp_path / "best")
    assert find_normalizer(tmp_path / "best.zip") == tmp_path / "best" / "vecnormalize.pkl"
    checkpoint = tmp_path / "ppo_vecnormalize_500_steps.pkl"
    checkpoint.touch()
    assert find_normalizer(model) == checkpoint
    (tmp_path / "vecnormalize.pkl").touch()
    with pytest.raises(UserError, match="which normalizer"):
        find_normalizer(tmp_path / "best_model.zip")


def test_plain_ppo_loads_a_policy_of_ours_and_trains_it_on(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.zip"
    assert main(ExportConfig(trained, output=tmp_path / "ours.onnx", sb3=path)) == 0
    policy = Policy.load(tmp_path / "ours.onnx")
    env = sim2edge_vec_env("HumanoidVelocity", 4, threads=1)
    model = PPO.load(path, env=env, custom_objects={"n_steps": 8, "batch_size": 16})
    for row in np.float32(policy.contract.golden_observations):
        given, _ = model.predict(row, deterministic=True)
        np.testing.assert_allclose(np.clip(policy(row[None])[0], -5, 5), given, atol=1e-5)
    model.learn(32).save(tmp_path / "further")
    assert main(ExportConfig(tmp_path / "further.zip", task="HumanoidVelocity")) == 0
    further = Policy.load(tmp_path / "further.onnx")
    row = np.float32(further.contract.golden_observations[3])
    given, _ = model.predict(row, deterministic=True)
    np.testing.assert_allclose(np.clip(further(row[None])[0], -5, 5), given, atol=1e-5)
    VecNormalize(env).save(str(tmp_path / "second.pkl"))
    with pytest.raises(UserError, match="normalizes its observations itself, so .*second.pkl"):
        main(ExportConfig(path, task="HumanoidVelocity", normalizer=tmp_path / "second.pkl"))
