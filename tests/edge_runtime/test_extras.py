"""What a message says to install works: in a checkout, and from a wheel."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_runtime import extras
from edge_runtime.extras import brought_by, install_line

ROOT = Path(__file__).parents[2]
EXTRAS = metadata("sim2edge").get_all("Provides-Extra") or []


def came_from(monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None) -> None:
    """Lets the package seem to be installed from there; None: from an index."""
    noted = None if origin is None else json.dumps(origin)
    packages = [SimpleNamespace(read_text=lambda name, note=note: note) for note in (None, noted)]
    monkeypatch.setattr(extras, "distributions", lambda name: packages)


@pytest.mark.parametrize("folder", ["sim2edge", "my robot's"])
def test_a_checkout_is_named(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / folder
    place.mkdir()
    came_from(monkeypatch, {"url": place.as_uri(), "dir_info": {"editable": True}})
    assert shlex.split(install_line("sim")) == ["pip", "install", "-e", f"{place}[sim]"]
    came_from(monkeypatch, {"url": place.as_uri(), "dir_info": {}})
    assert shlex.split(install_line("ros", "sim")) == ["pip", "install", f"{place}[ros,sim]"]


def test_a_wheel_is_named_while_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "sim2edge-0.1.0-py3-none-any.whl"
    wheel.touch()
    came_from(monkeypatch, {"url": wheel.as_uri(), "archive_info": {}})
    assert install_line("train") == f"pip install 'sim2edge[train] @ file://{wheel}'"
    wheel.unlink()
    assert install_line("train") == "pip install 'sim2edge[train]'"


def test_of_an_unknown_origin_pip_reads_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    came_from(monkeypatch, None)
    assert install_line("train") == "pip install 'sim2edge[train]'"

    monkeypatch.setattr(extras, "distributions", lambda name: [])
    assert install_line("train") == "pip install 'sim2edge[train]'"


def test_an_extra_brings_the_modules_of_those_that_it_includes() -> None:
    assert {"torch", "mujoco", "PIL"} <= brought_by("train")
    assert "torch" not in brought_by("sim")


def said() -> Iterator[tuple[str, str]]:
    """What follows each `pip install` in code and pages, and the line it stands in."""
    listed = ["git", "ls-files", "*.py", "*.md", "Makefile", "deploy", ".github"]
    tracked = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("only in a git checkout")
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if name != "CHANGELOG.md" and path != Path(__file__) and path.is_file():
            text = path.read_text(errors="ignore")
            for match in re.finditer(r"pip install ([^\n]*)", text):
                yield match[1], f"{name}: {match[0]}"


def test_no_message_names_a_package_that_no_index_has() -> None:
    own = "edge_runtime/extras.py: "  # where pip finds the package installed
    nowhere = re.compile(r"\bsim2edge(\[[^\]]*\])?(?![\w\[./-]| @ )")
    lines = [line for words, line in said() if nowhere.search(words)]
    assert [line for line in lines if not line.startswith(own)] == []


def test_every_extra_that_is_named_exists() -> None:
    lists = (re.findall(r"'\.\[([\w,]+)\]'", words) for words, _ in said())
    named = {extra for found in lists for group in found for extra in group.split(",")}
    asked = re.compile(r"install_line\(([^)]*)\)")
    for path in (*ROOT.glob("[eps]*/**/*.py"), *ROOT.glob("ros_ws/**/*.py")):
        for arguments in asked.findall(path.read_text()):
            named |= set(re.findall(r"['\"](\w+)['\"]", arguments))
    assert {"train", "ros", "bullet", "replay", "lidar", "fusion", "sim"} <= named
    assert named <= set(EXTRAS)
