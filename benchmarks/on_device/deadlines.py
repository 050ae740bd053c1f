"""Counts the deadlines that a 200 Hz loop misses while it learns and promotes, and while not."""

import dataclasses
import math
import tempfile
import time
from contextlib import closing, nullcontext
from pathlib import Path

from control_loop import PERIOD, REALTIME, description, model_at, served
from figures import Figure

from edge_runtime.estimators import AUTO, find_fusion, find_spare
from edge_runtime.learning.beside.learning import ADAPTER, Learning, LearningConfig
from edge_runtime.learning.beside.limits import LimitsConfig
from edge_runtime.learning.beside.supervisor import TrialConfig
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path, shipped_policies
from edge_runtime.robot.shared_memory import SharedMemoryRobot
from edge_runtime.safety.rules import default_rules
from edge_runtime.slots.canary import CanaryConfig

_LOOK = 0.1  # s between two looks of the operator


def missed_deadlines(quick: bool) -> list[Figure]:
    """Runs the loop in turns without and with a learner beside it.

    The learner updates an adapter by PPO from what the loop feeds it, and what it proposes is tried
    in shadow and as a canary, and promoted.
    """
    rounds, seconds = (1, 40.0) if quick else (4, 60.0)
    missed = {False: 0, True: 0}
    promoted = updates = 0
    model = model_at(PERIOD, velocity=True)
    with tempfile.TemporaryDirectory() as folder:
        kit = _kit_of(model, Path(folder))
        for number in range(rounds):
            for learning in (False, True):
                with served(description(), PERIOD) as border:
                    at = Path(folder) / f"{number}"
                    counts = _run(model, border, kit if learning else None, at, seconds)
                missed[learning] += counts[0]
                promoted, updates = promoted + counts[1], updates + counts[2]
    what = f"{rounds} × {seconds:g} s at 200 Hz"
    return [
        Figure(
            f"{what}: deadlines missed while it learns and promotes, beyond the loop's own",
            max(0, missed[True] - missed[False]),
            "deadlines",
            0,
            f"without a learner {missed[False]}, with it {missed[True]}",
            at_least=False,
        ),
        Figure(f"{what}: policies promoted meanwhile", promoted, "", 1, f"{updates} proposed"),
    ]


def _run(
    model: bytes, border: SharedMemoryRobot, kit: Path | None, folder: Path, seconds: float
) -> tuple[int, int, int]:
    """Returns the deadlines missed, and how many policies were promoted and proposed."""
    policy = Policy(model)
    rules = tuple(  # they are checked, but never trip, for the robot does not move
        dataclasses.replace(rule, limit=math.inf) for rule in default_rules(policy.contract)
    )
    fusion = find_fusion(AUTO, policy.contract, border.description)
    spare = find_spare(AUTO, policy.contract, border.description)
    session = Session(
        policy, border, fusion, LoopConfig(realtime=REALTIME, rules=rules), spare=spare
    )
    learning = None if kit is None else Learning(session, model, _config(kit), folder)
    with closing(learning) if learning else nullcontext():
        session.start()
        before, until = session.loop.budget.missed, time.monotonic() + seconds
        while time.monotonic() < until and session.loop.running:
            time.sleep(_LOOK)
        missed = session.loop.budget.missed - before
        if learning is not None:
            learning.rest()
        session.end()
    if learning is None:
        return missed, 0, 0
    proposals = learning.as_dictionary()["proposals"]
    return missed, sum(p["outcome"] == "promoted" for p in proposals), len(proposals)


def _config(kit: Path) -> LearningConfig:
    canary = CanaryConfig(slice_seconds=1.0, slices=2, settle_seconds=0.2)
    return LearningConfig(
        tier=ADAPTER,
        kit=kit,
        trials=TrialConfig(shadow=1.0, canary=canary),
        limits=LimitsConfig(load=math.inf),  # a benchmark may run on a busy machine
    )


def _kit_of(model: bytes, folder: Path) -> Path:
    """Writes the humanoid's kit for another policy of the same shape."""
    shipped = shipped_policies()["HumanoidVelocity"]
    kit = LearnerKit.load(kit_path(shipped), Policy.load(shipped).sha256)
    config = dataclasses.replace(kit.config, policy=Policy(model).sha256)
    path = folder / "policy.kit"
    dataclasses.replace(kit, config=config).save(path)
    return path
