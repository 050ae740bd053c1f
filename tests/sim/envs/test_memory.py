"""What a process may still take of memory, wherever a limit is set."""

import resource
from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from sim.envs.memory import check_memory, free_memory

GIB = 2**30
V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"
PLACES = {
    "a container": ("0::/\n", V2, "memory.max", "memory.current"),
    "a service of systemd": (
        "0::/system.slice/robot.service\n",
        f"{V2}/system.slice/robot.service",
        "memory.max",
        "memory.current",
    ),
    "a job's outer group": (
        "0::/slurm/job_7/step_0\n",
        f"{V2}/slurm/job_7",
        "memory.max",
        "memory.current",
    ),
    "version 1": (
        "12:cpu,cpuacct:/\n4:memory:/docker/1f\n0::/\n",
        f"{V1}/docker/1f",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
    ),
    "version 1, seen from within": (
        "4:memory:/docker/1f\n",
        V1,
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
    ),
}


@pytest.fixture(autouse=True)
def no_limit_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (unlimited, unlimited))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(f"MemAvailable:   {64 * GIB // 1024} kB\n")
    return tmp_path


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_the_tightest_limit_counts(place: tuple[str, str, str, str], root: Path) -> None:
    groups, folder, limit, used = place
    (root / "proc/self/cgroup").write_text(groups)
    assert free_memory(root) == 64 * GIB
    (root / folder).mkdir(parents=True)
    (root / folder / limit).write_text("max\n" if "max" in limit else f"{2**63 - 4096}\n")
    (root / folder / used).write_text(f"{3 * GIB}\n")
    assert free_memory(root) == 64 * GIB
    (root / folder / limit).write_text(f"{4 * GIB}\n")
    assert free_memory(root) == GIB
    (root / folder / used).write_text(f"{5 * GIB}\n")
    assert free_memory(root) == 0
    (root / folder / "memory.stat").write_text(f"anon 7\ninactive_file {2 * GIB}\n")
    assert free_memory(root) == GIB, "files that were read make room"


def test_a_system_without_such_files_has_no_limit(tmp_path: Path) -> None:
    assert free_memory(tmp_path) > 64 * GIB


def test_the_limit_of_the_shell_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2 * GIB, 2 * GIB))
    assert free_memory(root) == 2 * GIB


def test_more_than_memory_holds_is_refused_by_its_option() -> None:
    check_memory(100, "--episodes")
    with pytest.raises(UserError, match="--episodes 1000000000 takes 25000.0 GB of memory at"):
        check_memory(10**9, "--episodes")
    with pytest.raises(UserError, match=r"^--buffer 3 takes 9000000.0 GB of memory at least, and"):
        check_memory(1, "--num-envs", {"--buffer 3": 9 * 10**15, "--batch 2": 10**9})
    many = {f"--layers {size}": free_memory() // 2 + size for size in range(3)}
    with pytest.raises(UserError, match=r"^--layers 2 takes .* at least \(.* GB with all else\)"):
        check_memory(1, "--num-envs", many)
