"""The robot of docs/guides/run-on-a-robot.md does what the page says."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.edge_runtime.leg import make_contract, make_model

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "run-on-a-robot.md"


def test_a_robot_of_ones_own(tmp_path: Path) -> None:
    code = re.search(r"```python\n# leg.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    (tmp_path / "leg.py").write_text(code[1])
    (tmp_path / "policy.onnx").write_bytes(make_model(make_contract()))
    arguments = ["run", "policy.onnx", "--robot", "leg:Leg", "--command", "0.3", "0", "0"]
    run = subprocess.run(
        [Path(sys.executable).with_name("sim2edge"), *arguments, "--seconds", "0.5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    report = json.loads((tmp_path / "out" / "run" / "report.json").read_text())
    assert report["robot"] == "leg"
    assert report["ticks_by_reaction"]["damp"] == 0
