"""A learner kit is read back whole, by its own policy alone."""

from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.learning.array_file import read_arrays, write_arrays
from edge_runtime.learning.kit import Agreement, KitConfig, LearnerKit
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.learning.reward.driving import DrivingFacts
from edge_runtime.learning.reward.onboard_reward import RewardConfig
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path, shipped_policies
from tests.edge_runtime.learning.adapters.networks import STD, small_critic

SHA256 = "ab" * 32
KIT = LearnerKit(
    KitConfig(
        SHA256,
        "car",
        RewardConfig({"progress": 1.0, "crash": -2.5}, driving=DrivingFacts(0.4, 0.55)),
        rank=3,
        ppo=PPOConfig(learning_rate=2e-3),
        worn=Agreement(0.9, 0.8),
    ),
    STD,
    small_critic().arrays(),
    {"trims/lower": np.array([1.0, 2.0]), "names": np.array(["a", "b"])},
)


def refusal(path: Path) -> str:
    """What a refused file's error says; empty if it is read."""
    try:
        LearnerKit.load(path, SHA256)
    except UserError as error:
        return str(error)
    return ""


def test_a_kit_is_read_back(tmp_path: Path) -> None:
    KIT.save(tmp_path / "a.kit")
    found = LearnerKit.load(tmp_path / "a.kit", SHA256)
    assert found.config == KIT.config
    np.testing.assert_array_equal(found.std, KIT.std)
    for kept, expected in ((found.critic, KIT.critic), (found.extra, KIT.extra)):
        assert kept.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(kept[name], array)


def test_a_kit_of_another_policy_is_refused(tmp_path: Path) -> None:
    KIT.save(tmp_path / "a.kit")
    with pytest.raises(UserError, match="learner kit of another policy"):
        LearnerKit.load(tmp_path / "a.kit", "cd" * 32)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x93NUMPY"])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.kit").write_bytes(content)
    with pytest.raises(UserError, match="no learner kit, or damaged"):
        LearnerKit.load(tmp_path / "a.kit", SHA256)


def test_a_damaged_kit_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.kit"
    KIT.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(len(whole), size=60).tolist():
        changed = bytearray(whole)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        said = refusal(path)
        assert "\n" not in said
        refused += bool(said)
    assert refused > 40  # the rest are bytes that nobody reads
    path.write_bytes(whole[:-30])
    with pytest.raises(UserError, match="damaged"):
        LearnerKit.load(path, SHA256)


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    arrays = {"kit": np.array("{}"), "std": np.array([print], dtype=object)}
    write_arrays(tmp_path / "a.kit", arrays)
    with pytest.raises(UserError, match="no learner kit"):
        LearnerKit.load(tmp_path / "a.kit", SHA256)


def test_a_kit_of_another_version_or_without_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.kit"
    KIT.save(path)
    arrays = read_arrays(path, "learner kit")
    newer = str(arrays["kit"]).replace('"format": 1', '"format": 2')
    write_arrays(path, arrays | {"kit": np.array(newer)})
    with pytest.raises(UserError, match="another version"):
        LearnerKit.load(path, SHA256)
    write_arrays(path, {name: of for name, of in arrays.items() if name != "std"})
    with pytest.raises(UserError, match="no learner kit"):
        LearnerKit.load(path, SHA256)


@pytest.mark.parametrize("name", sorted(shipped_policies()))
def test_the_kits_that_come_with_the_package_are_those_of_its_policies(name: str) -> None:
    policy = Policy.load(name)
    path = kit_path(Path(name))
    kit = LearnerKit.load(path, policy.sha256)
    assert len(kit.std) == len(policy.contract.actuators)
    assert kit.config.robot == policy.contract.robot
    assert min(kit.config.unworn.second, kit.config.worn.second) > 0.85
    assert path.stat().st_size < 500_000
