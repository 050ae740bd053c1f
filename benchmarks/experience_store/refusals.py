"""Gives a learner stores that do not fit and a disk that fills up, and drives on."""

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from figures import Figure

from edge_runtime.estimators import find_fusion, find_name
from edge_runtime.keys.key_file import new_key, write_key
from edge_runtime.learning.feed.feed import Feed
from edge_runtime.learning.process.job import LearnJob, StoreConfig
from edge_runtime.learning.process.keeper import Keeper
from edge_runtime.learning.process.learner import Learner
from edge_runtime.learning.process.workplace import Workplace
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.safety.rules import Reaction
from experience_store.fed_learner import fed, kept
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.task import find_robot_task

TASK = "VehicleTrack"
TICKS = 500
_AT_ONCE = 25  # ticks between two looks of the learner
_SMALL = 64_000  # bytes of the disk that fills up, or of its files


@dataclass(frozen=True)
class _Drive:
    driven: int  # ticks in which the policy drove
    said: str  # what the learner says of its store


def refusals(folder: Path) -> list[Figure]:
    """Drives the car while a store is refused, or its disk is full."""
    for name in ("key", "another key"):
        write_key(folder / name, new_key())
    loop, policy = _loop(), Policy.load(TASK)
    store = StoreConfig(folder / "store", folder / "key", robot_id="car 7")
    _begin(store, policy)
    others = (replace(store, robot_id="car 8"), replace(store, key=folder / "another key"))
    refused = [_drive_refused(loop, folder / f"refused {n}", o) for n, o in enumerate(others)]
    small, model = replace(store, folder=folder / "disk" / "store"), read_model(Path(TASK))
    with fed(loop, model, folder / "full", small) as (feed, job), _small_disk(folder / "disk"):
        full = _drive(loop, folder / "full", feed, job)
        lost = TICKS - 1 - kept(small, policy)  # what the newest tick led to is not known
    driven = sum(drive.driven for drive in (*refused, full))
    in_one_line = sum(bool(drive.said) and "\n" not in drive.said for drive in refused)
    counted = full.said.startswith(f"{lost} rows were not kept")
    return [
        Figure(
            "a store of another robot, a wrong key: refused in one line",
            in_one_line,
            "of 2",
            2,
            f"and {kept(store, policy)} rows written to it",
        ),
        Figure(
            "ticks in which the robot drove on, then and with its store's disk full",
            100 * driven / (3 * TICKS),
            "%",
            100,
            f"{3 * TICKS} ticks",
        ),
        Figure("… rows counted as lost with the disk full", lost * counted, "rows", 1),
    ]


def _loop() -> ControlLoop:
    policy = Policy.load(TASK)
    robot = LockstepRobot(SimulatedRobot(find_robot_task(TASK), truth=True))
    name = find_name("auto", policy.contract, robot.description)
    fusion = find_fusion(name, policy.contract, robot.description)
    return ControlLoop(policy, robot, fusion, LoopConfig())


def _begin(store: StoreConfig, policy: Policy) -> None:
    """Makes a store that is empty."""
    keeper = Keeper(store, policy, ())
    assert keeper.is_open, keeper.failure
    keeper.close()


def _drive_refused(loop: ControlLoop, folder: Path, store: StoreConfig) -> _Drive:
    with fed(loop, read_model(Path(TASK)), folder, store) as (feed, job):
        return _drive(loop, folder, feed, job)


def _drive(loop: ControlLoop, folder: Path, feed: Feed, job: LearnJob) -> _Drive:
    """Drives while the loop feeds a learner in that folder."""
    driven = 0
    with closing(Learner(folder, job)) as learner:
        loop.add_observer(feed)
        for number in range(1, TICKS + 1):
            loop.tick()
            driven += loop.reaction is Reaction.NONE and not loop.observer_failures
            if number % _AT_ONCE == 0:
                learner.step()
        loop.remove_observer(feed)
    return _Drive(driven, str(Workplace(folder).progress()["store"]))


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Makes a folder on a disk that is soon full, or where files may not grow, without rights."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
