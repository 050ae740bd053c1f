"""Describes where a policy comes from: commit, versions, hardware, command line."""

import os
import platform
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
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


def free_memory(root: Path = Path("/")) -> int:
    """Returns how many bytes this process may still take.

    The machine, the process and each control group that it is in set a limit: a container, a
    service of systemd, a job of Slurm.

    Args:
        root: where `proc` and `sys` are mounted.
    """
    limits = [resource.getrlimit(resource.RLIMIT_AS)[0]]
    with suppress(OSError, ValueError):
        fields = dict(
            line.split(":")
            for line in (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
        )
        limits.append(1024 * int(fields["MemAvailable"].split()[0]))
    for limit, used in _control_groups(root):
        with suppress(OSError, ValueError):  # "max" where there is no limit
            numbers = [int(file.read_text(encoding="utf-8")) for file in (limit, used)]
            kept = numbers[1] - _reclaimable(used.with_name("memory.stat"))
            limits.append(max(numbers[0] - kept, 0))
    return min((limit for limit in limits if limit >= 0), default=sys.maxsize)


def _reclaimable(stat: Path) -> int:
    """Returns how many bytes of a control group hold files that were read and can be dropped."""
    with suppress(OSError):
        fields = dict(line.split() for line in stat.read_text(encoding="utf-8").splitlines())
        return int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
    return 0


def _control_groups(root: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the files with limit and use of memory of each control group of this process."""
    groups = [("", "/")]  # what a container sees of its own
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        groups += [(line.split(":", 2)[1], line.split(":", 2)[2]) for line in lines]
    for controllers, path in groups:
        if not controllers:  # version 2
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        inner = Path(path.lstrip("/"))
        for group in (inner, *inner.parents):
            yield top / group / names[0], top / group / names[1]


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions
