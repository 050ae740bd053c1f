"""`make install` takes torch's build for the CPU from an index that the user names."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def recipe(*words: str) -> str:
    """What `make install` would run in a fresh checkout."""
    command = ["make", "--dry-run", "--always-make", "install", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = re.findall(r"pip install[^\n]*--constraint.*?(?=\ntouch)", done.stdout, re.DOTALL)
    return line.replace("\\\n", " ")


def test_the_ordinary_index_is_the_default() -> None:
    assert "index" not in recipe()


def test_an_index_for_torch_stands_beside_the_ordinary_one() -> None:
    line = recipe("TORCH_INDEX=https://example.org/cpu")
    assert "--extra-index-url 'https://example.org/cpu'" in line
    assert "--index-url" not in line.replace("--extra-index-url", "")


def add_wheel(index: Path, name: str, version: str) -> None:
    """Adds a wheel with nothing in it to an index of files."""
    folder = index / name
    folder.mkdir(parents=True)
    wheel = f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / wheel, "w") as file:
        file.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{wheel.replace("+", "%2B")}">{wheel}</a>')


@pytest.mark.parametrize("at_both", [True, False])
def test_pip_prefers_the_build_for_the_cpu_of_the_pinned_version(
    tmp_path: Path, at_both: bool
) -> None:
    assert PIN is not None
    ordinary, torchs = tmp_path / "ordinary", tmp_path / "torch"
    add_wheel(ordinary, "torch", PIN[1])
    torchs.mkdir()
    if at_both:
        add_wheel(torchs, "torch", f"{PIN[1]}+cpu")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(tmp_path / "got")]
    command += ["--index-url", ordinary.as_uri(), "--extra-index-url", torchs.as_uri()]
    command += ["--constraint", str(ROOT / "constraints.txt"), "torch"]
    own = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    own |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "got").iterdir()
    assert ("+cpu" in wheel.name) == at_both
