"""A plain wheel works from any folder, without the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT, copy_checkout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was unpacked, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_checkout(folder / "source")
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


def elsewhere(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed.parent,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_every_task_runs_from_the_wheel(installed: Path) -> None:
    program = (
        "import sim; from sim.envs.make_batch import make_batch; from sim.tasks import find_task\n"
        f"assert sim.__file__.startswith({str(installed)!r}), sim.__file__\n"
        "for name in ('HumanoidVelocity', 'VehicleTrack', 'Humanoid-v5'):\n"
        "    env = make_batch(find_task(name), 2); env.step(env.action_space.sample())\n"
    )
    done = elsewhere(installed, "-c", program)
    assert done.returncode == 0, done.stderr


def test_the_policies_are_in_the_wheel(installed: Path) -> None:
    policies = sorted((ROOT / "assets" / "policies").glob("*.onnx"))
    shipped = installed / "assets" / "policies"
    assert sorted(p.name for p in shipped.glob("*.onnx")) == [p.name for p in policies]
    for policy in policies:  # by its name
        done = elsewhere(installed, "-m", "sim2edge", "inspect", policy.stem)
        assert done.returncode == 0, done.stderr


def test_the_templates_of_the_report_are_in_the_wheel(installed: Path) -> None:
    folder = Path("policies") / "report" / "templates"
    names = {
        str(path.relative_to(top / folder))
        for top in (ROOT, installed)
        for path in (top / folder).rglob("*.*")
    }
    assert "page.css" in names
    assert [name for name in names if not (installed / folder / name).exists()] == []


def test_only_the_packages_are_in_the_wheel(installed: Path) -> None:
    packages = {"assets", "edge_runtime", "policies", "sim", "sim2edge", "sim2edge_ros"}
    found = {path.name for path in installed.iterdir() if path.is_dir()}
    assert found - {"bin"} == packages | {
        name for name in found if name.endswith((".dist-info", "__pycache__"))
    }
