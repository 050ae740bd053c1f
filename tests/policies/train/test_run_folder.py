from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from policies.train.run_folder import CONFIG, RunFolder
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
