"""Gives the control loop stores that do not fit and a disk that fills up, and drives on."""

import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from figures import Figure

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion, find_name
from edge_runtime.experience.layout import Layout
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.keys.key_file import new_key
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.safety.rules import Reaction
from experience_store.observer import ExperienceObserver, layout_of
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.task import find_robot_task

TASK = "VehicleTrack"
TICKS = 500
_SMALL = 64_000  # bytes of the disk that fills up, or of its files


def refusals(folder: Path) -> list[Figure]:
    """Drives the car while a store is refused, or its disk is full."""
    policy = Policy.load(TASK)
    robot = LockstepRobot(SimulatedRobot(find_robot_task(TASK), truth=True))
    name = find_name("auto", policy.contract, robot.description)
    loop = ControlLoop(
        policy, robot, find_fusion(name, policy.contract, robot.description), LoopConfig()
    )
    layout, key = layout_of(policy, robot.description.name), new_key()
    ExperienceStore(folder / "store", key, layout, robot_id="car 7").close()
    refused = _refused(
        lambda: ExperienceStore(folder / "store", key, layout, robot_id="car 8")
    ) + _refused(lambda: ExperienceStore(folder / "store", new_key(), layout, robot_id="car 7"))
    lost, driven = _drive_with_a_full_disk(folder / "disk", loop, key, layout)
    return [
        Figure("a store of another robot, a wrong key: refused in one line", refused, "of 2", 2),
        Figure(
            "ticks in which the robot drove while its store's disk was full",
            100 * driven / TICKS,
            "%",
            100,
            f"{lost} rows counted as lost, {TICKS} ticks",
        ),
        Figure("… rows counted as lost", lost, "rows", 1),
    ]


def _refused(open_store: Callable[[], ExperienceStore]) -> int:
    try:
        open_store().close()
    except UserError as error:
        return int("\n" not in str(error))
    return 0


def _drive_with_a_full_disk(
    folder: Path, loop: ControlLoop, key: bytes, layout: Layout
) -> tuple[int, int]:
    """Returns the rows that were lost, and the ticks in which the policy drove."""
    driven = 0
    with (
        _small_disk(folder) as disk,
        ExperienceStore(disk / "store", key, layout, 20_000_000) as store,
    ):
        with closing(ExperienceObserver(loop, store)) as observer:
            loop.add_observer(observer)
            for _ in range(TICKS):
                loop.tick()
                driven += loop.reaction is Reaction.NONE and not loop.observer_failures
            loop.remove_observer(observer)
        return store.dropped, driven


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Yields a folder on a disk that is soon full, or where files may not grow, without rights."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, before[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
