"""Policies of plain Stable-Baselines3 come in with their normalizer, and ours go out to it."""

import copy
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
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
from sim2edge.__main__ import main as sim2edge

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


def rewritten(model: Path, path: Path, data: Any = None, weights: Any = None) -> Path:
    """Writes a model's zip file anew, with other data or weights in it."""
    content = io.BytesIO()
    torch.save(weights, content)
    others = {
        "data": None if data is None else json.dumps(data),
        "policy.pth": None if weights is None else content.getvalue(),
    }
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            other = others.get(name)
            new.writestr(name, old.read(name) if other is None else other)
    return path


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    output = path.with_suffix(".onnx")
    assert sim2edge(["export", str(path), "--task", "VehicleTrack", "-o", str(output)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(path) in said and len(said) < 600, said
    assert not output.exists()
    return said


NOT_WHOLE = ["x", -1, 1.5, 10**30, True, [], {}]
SETTINGS: dict[str, list[Any]] = {
    "num_timesteps": NOT_WHOLE,
    "seed": [*NOT_WHOLE, 2**32],
    "use_sde": ["x", 5, []],
    "policy_kwargs": ["x", 5, [], {"activation_fn": "x" * 1000}, {"activation_fn": {}}],
    "action_space": [
        *("x", 5, [], {}, {"low": 5, "high": 5}, {"low": "[x]", "high": "[x]"}),
        *({"low": f"[-{b} -{b}]", "high": f"[{b} {b}]"} for b in (0, "nan", "1e60")),
        {"low": "[-5. -5. -5.]", "high": "[5. 5. 5.]"},
        {"low": "[]", "high": "[]"},
        {"low": "[5. 5.]", "high": "[-5. -5.]"},
    ],
}


@pytest.mark.parametrize("key", SETTINGS)
def test_data_of_another_kind_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    with zipfile.ZipFile(folder / "model.zip") as archive:
        data = json.loads(archive.read("data"))
    for value in SETTINGS[key]:
        path = rewritten(folder / "model.zip", tmp_path / "forged.zip", data | {key: value})
        refusal(path, capsys)


def test_data_without_names_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in ([], "x", 5, [["seed", 5]]):
        path = rewritten(folder / "model.zip", tmp_path / "forged.zip", data)
        assert "no model of Stable-Baselines3, or damaged" in refusal(path, capsys)


FIRST = "mlp_extractor.policy_net.0."
WEIGHTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a list": lambda weights: weights.update({f"{FIRST}weight": [1.0]}),
    "a number as name": lambda weights: weights.update({5: torch.zeros(1)}),
    "sparse": lambda weights: weights.update({f"{FIRST}bias": torch.zeros(16).to_sparse()}),
    "a scalar": lambda weights: weights.update({f"{FIRST}bias": torch.zeros(())}),
    "one number repeated": lambda weights: weights.update(
        {f"{FIRST}weight": torch.zeros(1).expand(10**6, 77)}
    ),
    "complex": lambda weights: weights.update(
        {f"{FIRST}bias": torch.zeros(16, dtype=torch.complex64)}
    ),
    "half as precise": lambda weights: weights.update(
        {f"{FIRST}bias": torch.zeros(16, dtype=torch.bfloat16)}
    ),
    "not finite": lambda weights: weights[f"{FIRST}weight"].fill_(float("nan")),
    "no bias": lambda weights: weights.pop(f"{FIRST}bias"),
    "a short bias": lambda weights: weights.update({f"{FIRST}bias": torch.zeros(3)}),
    "layers apart": lambda weights: weights.update({"action_net.weight": torch.zeros(2, 5)}),
    "no deviation": lambda weights: weights.pop("log_std"),
    "a long deviation": lambda weights: weights.update(log_std=torch.zeros(5)),
    "no weights of the actor": lambda weights: [
        weights.pop(name) for name in list(weights) if "policy_net" in name or "action_net" in name
    ],
    "an actor without layers": lambda weights: (
        weights.clear() or weights.update({"actor.log_std.bias": torch.zeros(2)})
    ),
    "a normalizer of ours": lambda weights: weights.update(
        {"features_extractor.normalizer.offset": torch.zeros(3)}
    ),
}


@pytest.mark.parametrize("damage", WEIGHTS)
def test_weights_that_make_no_policy_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    with zipfile.ZipFile(folder / "model.zip") as archive:
        weights = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    WEIGHTS[damage](weights)
    refusal(rewritten(folder / "model.zip", tmp_path / "forged.zip", None, weights), capsys)


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
