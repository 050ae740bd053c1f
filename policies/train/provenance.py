"""Describes where a policy comes from: commit, versions, hardware, command line."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("sim2edge", "mujoco", "numpy", "onnxruntime", "torch", "stable-baselines3", "gymnasium")


def describe_origin() -> dict[str, Any]:
    """Returns what goes into run.json, beside the seed."""
    return {
        "commit": commit(),
        "command": shlex.join(["sim2edge", *sys.argv[1:]]),
        "hardware": hardware(),
        "versions": {"python": platform.python_version(), **_package_versions()},
    }


def commit() -> str:
    """Returns the commit of the checkout this runs from, "-dirty" if it was changed; else
    "unknown"."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():  # installed, perhaps inside somebody else's checkout
        return "unknown"
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def hardware() -> str:
    """Returns the name of the processor, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return f"{name}, {cores()} cores"


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions
