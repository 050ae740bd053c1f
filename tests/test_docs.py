"""The documentation says what is there."""

import json
import re
from pathlib import Path

import pytest
import yaml

from edge_runtime.config.config_file import from_json
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from sim.tasks.walking.config import HumanoidVelocity
from sim2edge.commands import COMMANDS

ROOT = Path(__file__).parents[1]
ROOT_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
ROOMS = ("docs", "docs/guides", "docs/reference")
PAGES = [*(ROOT / name for name in ROOT_PAGES)]
PAGES += [page for room in ROOMS for page in sorted((ROOT / room).glob("*.md"))]
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


def test_what_an_estimator_must_know_is_found_as_described(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "guides" / "run-on-a-robot.md").read_text()
    code = next(c for c in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "leg_chains" in c)
    exec(code, {})
    found = from_json(LeggedRobotConfig, json.loads(Path("legs.json").read_text()), "legs.json")
    assert found.legs == HumanoidVelocity().legged.legs


def test_a_title_that_is_too_long_is_refused() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entry = next(hook["entry"] for hook in hooks if hook["id"] == "title")
    assert not re.search(entry, "x" * 72 + "\n\n" + "y" * 100)
    assert re.search(entry, "x" * 73 + "\n")


def test_hooks_and_workflow_run_what_there_is() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    made = [word for s in steps for word in re.findall(r"^make ([a-z-]+)", s.get("run", ""))]
    assert "test" in made
    assert set(made) <= set(targets)


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
