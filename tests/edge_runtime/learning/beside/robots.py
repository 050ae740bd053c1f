"""A small robot that learns in lockstep, with the real process beside it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.learning.beside.learning import Learning, LearningConfig
from edge_runtime.learning.beside.limits import LimitsConfig
from edge_runtime.learning.beside.lockstep import SimulatedClock
from edge_runtime.learning.beside.supervisor import TrialConfig
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.canary import CanaryConfig
from edge_runtime.slots.probation import ProbationConfig
from tests.edge_runtime.learning.process.proposing import PROPOSING
from tests.edge_runtime.leg import BURST, LegRobot, make_contract, make_model
from tests.edge_runtime.slots.shadowing import Endless

MODEL = make_model(make_contract())
CANARY = CanaryConfig(
    slice_seconds=0.5, slices=2, settle_seconds=0.1, probation=ProbationConfig(seconds=1.0)
)


def config(tier: str = PROPOSING, **trials: Any) -> LearningConfig:
    given = {"shadow": 0.5, "canary": CANARY, **trials}
    return LearningConfig(tier=tier, trials=TrialConfig(**given), limits=LimitsConfig(load=1e9))


@contextmanager
def learning(
    folder: Path,
    learning_config: LearningConfig | None = None,
    robot: LegRobot | None = None,
    **options: Any,
) -> Iterator[tuple[Session, Learning]]:
    """A session whose robot waits for the learner."""
    contract, clock = make_contract(), SimulatedClock()
    fusion = AttitudeFusion(contract.control_period, BURST)
    timing = LoopConfig(stop_seconds=0.1)
    session = Session(Policy(MODEL), robot or Endless(), fusion, timing, clock)
    learning = Learning(session, MODEL, learning_config or config(), folder, clock=clock, **options)
    try:
        yield session, learning
    finally:
        learning.close()


def lived(
    session: Session, learning: Learning, seconds: float, each: Callable[[], None] | None = None
) -> None:
    """Ticks the loop for so many simulated seconds, and calls a function in each."""
    pace = learning.pace(seconds)
    assert pace is not None
    if each is not None:
        look = pace._look  # type: ignore[attr-defined]

        def both() -> None:
            look()
            each()

        pace._look = both  # type: ignore[attr-defined]
    session.start(pace)
    assert session.loop.join(60.0)
    learning.rest()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
