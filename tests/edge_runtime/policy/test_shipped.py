"""A policy that comes with the package is found by its name."""

import shutil
from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import policy_path, shipped_policies

NAMES = ["HumanoidVelocity", "VehicleTrack"]


def test_both_robots_have_one() -> None:
    assert list(shipped_policies()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_name_loads_the_policy_of_that_task(name: str) -> None:
    assert Policy.load(name).contract.task == name


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(shipped_policies()["VehicleTrack"], "HumanoidVelocity")
    assert Policy.load("HumanoidVelocity").contract.task == "VehicleTrack"


def test_the_folder_of_a_run_comes_first_and_another_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = Path("HumanoidVelocity")
    name.mkdir()
    assert Policy.load(name).contract.task == "HumanoidVelocity"
    (name / "config.json").touch()
    assert policy_path(name) == name
    other = Path("runs")
    other.mkdir()
    assert policy_path(other) == other


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HumanoidVelocty", "there is no file 'HumanoidVelocty'.*did you mean 'HumanoidVelocity'"),
        ("walk", "no policy of that name comes with sim2edge; there are: HumanoidV.*, VehicleT"),
    ],
)
def test_an_unknown_name_lists_those_there_are(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        policy_path(Path(name))


@pytest.mark.parametrize("path", ["walk.onnx", "a/HumanoidVelocity", "/HumanoidVelocity"])
def test_a_path_stays_a_path(path: str) -> None:
    assert policy_path(Path(path)) == Path(path)
