from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import UserError
from policies.train.run_folder import CONFIG, RunFolder, config_from_document
from tests.policies.conftest import short


@pytest.mark.parametrize("task", ["HumanoidVelocity", "VehicleTrack", "Humanoid-v5"])
def test_every_training_survives_the_way_through_its_run_folder(task: str, tmp_path: Path) -> None:
    config = short(tmp_path, task, minutes=3.5, algorithm="tqc")
    assert RunFolder.create(tmp_path / "run", config, {}).config == config


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"task": {"name": "Nonsense"}}', '{"task": 3}'])
def test_a_damaged_config_is_a_users_error(text: str, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(UserError):
        _ = RunFolder.open(tmp_path).config


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"task": "HumanoidVelocity"}, "x.json: task: expected fields, found 'HumanoidVelocity'"),
        ({"settings": {"x": 1}}, "x.json: settings: algorithm 'ppo' has none; leave them out"),
    ],
)
def test_what_a_training_does_not_take_is_refused(
    document: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        config_from_document(document, "x.json", short(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "run.json", "policy.onnx"])
def test_what_something_else_left_in_the_folder_is_not_replaced(name: str, tmp_path: Path) -> None:
    theirs = tmp_path / name
    theirs.write_text("[1, 2]")
    with pytest.raises(UserError, match=f"holds {name} of something else; give another --run-dir"):
        RunFolder.create(tmp_path, short(tmp_path), {})
    assert theirs.read_text() == "[1, 2]"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_run_that_could_not_start_leaves_the_events_of_others(tmp_path: Path) -> None:
    theirs = tmp_path / "events.out.tfevents.theirs"
    theirs.touch()
    run = RunFolder.create(tmp_path, short(tmp_path), {})
    (tmp_path / "events.out.tfevents.ours").touch()
    run.discard()
    assert [path.name for path in tmp_path.iterdir()] == [theirs.name]
