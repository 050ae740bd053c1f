"""The documentation as a site."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    flags = ["--quiet", "--fail-on-warning", "--keep-going", "--doctree-dir", tmp_path / "trees"]
    program = [sys.executable, "-m", "sphinx", *flags, ROOT / "docs", tmp_path / "site"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)', page)
    assert loaded == []
    room = (tmp_path / "site" / "api" / "edge_runtime.loop.html").read_text()
    titles = re.findall(r"<h[12]>(.*?)<", room)
    assert titles[:2] == ["edge_runtime.loop", "edge_runtime.loop.budget"]
