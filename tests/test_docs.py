"""The documentation says what is there."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.config.document import from_json
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.observation import terms
from edge_runtime.observation.builder import ObservationBuilder, TermConfig
from edge_runtime.signals import Signal
from sim.tasks.walking.config import HumanoidVelocity
from sim2edge.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("edge_runtime", "sim", "policies", "sim2edge", "assets", "tests", "benchmarks", "docs")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w./-]*)`", text)
    missing += [path for path in named if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_exists(page: Path) -> None:
    commands = re.findall(r"sim2edge ([a-z]+)\b", "\n".join(_code(page)))
    assert set(commands) <= set(COMMANDS)


def _code(page: Path) -> list[str]:
    text = page.read_text()
    return re.findall(r"```.*?```|`[^`\n]+`|(?m:^    .+$)", text, re.DOTALL)


def test_what_an_estimator_must_know_is_found_as_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "run-on-a-robot.md").read_text()
    code = next(c for c in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "leg_chains" in c)
    exec(code, {})
    found = from_json(LeggedRobotConfig, json.loads(Path("legs.json").read_text()), "legs.json")
    assert found.legs == HumanoidVelocity().legged.legs


def test_the_term_of_the_documentation_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms.TERMS, "_registered", dict(terms.TERMS._registered))
    page = (ROOT / "docs" / "add-an-observation-term.md").read_text()
    code, use = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, vars(terms).copy())
    config = eval(use, {"TermConfig": TermConfig})
    signals = (Signal("imu_gyro", 3, "rad/s"), Signal("joint_vel", 2, "rad/s"))
    builder = ObservationBuilder((config,), signals, rows=4)
    values = {
        "imu_gyro": np.full((4, 3), 2, np.float32),
        "joint_vel": np.full((4, 2), -2, np.float32),
    }
    expected = np.full((4, 3), 0.5, np.float32)
    np.testing.assert_allclose(builder.build(values), expected, rtol=1e-3)
