from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from policies.train.run_folder import config_from_json, config_to_json
from tests.policies.conftest import short


@pytest.mark.parametrize("task", ["HumanoidVelocity", "VehicleTrack", "Humanoid-v5"])
def test_every_training_survives_the_way_through_its_run_folder(task: str, tmp_path: Path) -> None:
    config = short(tmp_path, task, minutes=3.5, algorithm="tqc")
    assert config_from_json(config_to_json(config), "x") == config


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"task": {"name": "Nonsense"}}', '{"task": 3}'])
def test_a_damaged_config_is_a_users_error(text: str) -> None:
    with pytest.raises(UserError):
        config_from_json(text, "config.json")
