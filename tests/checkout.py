"""The files of the checkout, copied, so that a build leaves nothing in it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def copy_checkout(folder: Path) -> Path:
    """Copies every file that git knows; returns the folder."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("only in a git checkout")
    for name in tracked.stdout.splitlines():
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            copy.write_bytes((ROOT / name).read_bytes())
    return folder
