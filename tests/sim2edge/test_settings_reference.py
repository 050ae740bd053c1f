"""The page of all settings, made from what is declared."""

import importlib.util
import re

import pytest

from sim.reference.humanoid_v5 import HumanoidV5
from sim2edge.settings_reference import reference, table

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sim2edge_ros") is None, reason="the ROS package is not installed"
)


def test_every_setting_has_a_meaning() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    plain = [row for row in rows if not re.fullmatch(r"\| `[^`]+` \| .* \| \S.*\. \|", row)]
    assert plain == []


def test_a_row_has_name_default_sentence_unit_and_bounds() -> None:
    rows = table(HumanoidV5, "--task.").splitlines()
    assert "| `--task.frame-skip` | `5` | Physics steps of 3 ms per action. Above 0. |" in rows
    page = reference()
    assert "| `POLICY` |  | The policy file (.onnx), or the name of a policy that comes" in page
    assert "| `--log-limit` | `500.0` | Size at which the log ends" in page
    assert "| `push_seconds` | `0.08` | " in page
    assert "| `gyro_noise` | `0.0002` | " in page
    assert re.search(r"\| `stop_seconds` \| `1.0` \| .* From 0.1 to 10 s. \|", page)
