"""Says whether the memory holds what is asked for."""

import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from edge_runtime.errors import UserError

_SIMULATION = 25_000  # bytes that a simulation of a humanoid takes


def check_memory(simulations: int, option: str, others: Mapping[str, int] | None = None) -> None:
    """Refuses what takes more than memory can hold, for a full machine stops without a word.

    Args:
        simulations: how many.
        option: what sets their number, for the error message.
        others: bytes that are needed beside them, by the option that asks for them, as it is given.

    Raises:
        UserError: it takes more than is free; the option that takes most is named.
    """
    needs = {f"{option} {simulations}": simulations * _SIMULATION, **(others or {})}
    least, free = sum(needs.values()), free_memory()
    if least > free:
        most = max(needs, key=needs.__getitem__)
        whole = f" ({least / 1e9:.1f} GB with all else)" if needs[most] <= free else ""
        raise UserError(
            f"{most} takes {needs[most] / 1e9:.1f} GB of memory at least{whole}, and "
            f"{free / 1e9:.1f} GB are free; ask for less"
        )


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
