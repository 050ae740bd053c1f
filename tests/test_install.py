"""An install as a user makes it: a wheel or a checkout in a virtual environment of its own.

Nothing is fetched: what the package depends on is that of the tests' own environment.
"""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from importlib.metadata import metadata
from pathlib import Path

import pytest

from tests.checkout import copy_checkout

pytestmark = pytest.mark.slow
EXTRAS = metadata("sim2edge").get_all("Provides-Extra") or []
INSTALLS = ("checkout", "folder", "wheel", "lost wheel")
OFFLINE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip's word for without
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def pip(python: Path | str, *arguments: str) -> str:
    """What pip says of that Python's environment; skips where the tests' own lacks a package."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    done = subprocess.run(
        [str(python), "-m", "pip", *arguments],
        env=environment | OFFLINE,
        cwd="/",
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    if absent := re.search(r"No matching distribution found for (?!sim2edge)([\w.-]+)", said):
        pytest.skip(f"{absent[1]} is not installed here; 'make install' brings it")
    assert done.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("a user's") / "sim2edge")


@pytest.fixture(scope="module", params=INSTALLS)
def python(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The Python of an environment in which sim2edge alone is installed, its dependencies being
    lent by the tests' own."""
    folder = tmp_path_factory.mktemp("environment")
    made = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    python = made / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    Path(site, "lent.pth").write_text(sysconfig.get_path("purelib"))
    wanted = [str(source)]
    if request.param == "checkout":
        wanted = ["--editable", *wanted]
    elif request.param != "folder":
        pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
        wanted = [str(next(folder.glob("*.whl")))]
    pip(python, "install", "--no-deps", "--ignore-installed", *wanted)
    if request.param == "lost wheel":
        Path(wanted[0]).unlink()
    return python


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_a_message_says_installs_the_extra(python: Path, extra: str) -> None:
    program = f"from edge_runtime.extras import install_line; print(install_line({extra!r}))"
    asked = [str(python), "-c", program]
    done = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=True)
    command, install, *words = shlex.split(done.stdout)
    assert (command, install) == ("pip", "install")
    out = pip(python, "install", "--dry-run", *words)
    assert "does not provide the extra" not in out
    for requirement in metadata("sim2edge").get_all("Requires-Dist") or []:
        package, _, marker = requirement.partition("; ")
        if marker == f'extra == "{extra}"' and not package.startswith("sim2edge["):
            name = re.split(r"[^\w.-]", package)[0]
            assert re.search(rf"(?i)already satisfied: {name}\b", out), (requirement, out)


@pytest.mark.parametrize("name", ["HumanoidVelocity", "VehicleTrack"])
def test_a_shipped_policy_is_inspected_by_its_name(python: Path, name: str, tmp_path: Path) -> None:
    command = [str(python.with_name("sim2edge")), "inspect", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"task       {name}" in done.stdout
