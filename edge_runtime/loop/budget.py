"""Budgets the latency of a tick: how long each stage may take, and how long it took."""

from dataclasses import dataclass, field
from enum import IntEnum

from edge_runtime.config.fields import check, setting
from edge_runtime.errors import UserError
from edge_runtime.loop.latency_histogram import LatencyHistogram

_FORGOTTEN = 1e-3  # share of ticks over budget that counts as none


class Stage(IntEnum):
    """Lists the stages of a tick in order."""

    SENSE = 0
    FUSE = 1
    INFER = 2  # observation and network
    GUARD = 3
    ACT = 4


@dataclass(frozen=True)
class BudgetConfig:
    """Sets the share of the period that each stage may take; the rest is slack.

    Raises:
        UserError: a share is out of bounds, or together they exceed the period.
    """

    sense: float = setting(
        0.10, "The share of the period in which the newest sample is read.", above=0, at_most=1
    )
    fuse: float = setting(0.05, "The estimator's share of the period.", above=0, at_most=1)
    infer: float = setting(
        0.25, "The share of the period for observation and network.", above=0, at_most=1
    )
    guard: float = setting(0.05, "The guard's share of the period.", above=0, at_most=1)
    act: float = setting(
        0.05, "The share of the period for sending, and for the observers.", above=0, at_most=1
    )

    def __post_init__(self) -> None:
        check(self, "budget.")
        if sum(self.shares) > 1:
            raise UserError(f"budget shares {self.shares} must be together at most 1")

    @property
    def shares(self) -> tuple[float, ...]:
        """Returns the shares in the order of the stages."""
        return (self.sense, self.fuse, self.infer, self.guard, self.act)


@dataclass
class Budget:
    """Measures ticks against their budget; all times are in ns."""

    config: BudgetConfig
    period: int
    stages: tuple[LatencyHistogram, ...] = field(
        default_factory=lambda: tuple(LatencyHistogram() for _ in Stage)
    )
    tick: LatencyHistogram = field(default_factory=LatencyHistogram)  # all stages together
    wake_up: LatencyHistogram = field(default_factory=LatencyHistogram)  # delay after the release
    over_share: list[int] = field(default_factory=lambda: [0] * len(Stage))
    # For each stage the share of ticks over about a second in which it took more than its budget.
    over_lately: list[float] = field(default_factory=lambda: [0.0] * len(Stage))
    missed: int = 0  # periods skipped because a tick came too late or took too long

    def __post_init__(self) -> None:
        self.limits = tuple(int(share * self.period) for share in self.config.shares)
        self._weight = min(1.0, self.period * 1e-9)  # of a tick in an average over a second

    @property
    def infer_limit(self) -> int:
        """Returns how long observation and network may take, ns."""
        return self.limits[Stage.INFER]

    def record(self, marks: list[int]) -> None:
        """Records one tick.

        Args:
            marks: the start of the tick and the end of each stage, ns.
        """
        before = start = marks[0]
        lately = self.over_lately
        for stage, histogram in enumerate(self.stages):
            end = marks[stage + 1]
            took = end - before
            histogram.record(took)
            if took > self.limits[stage]:
                self.over_share[stage] += 1
                lately[stage] += self._weight * (1.0 - lately[stage])
            elif rate := lately[stage]:
                lately[stage] = rate * (1.0 - self._weight) if rate > _FORGOTTEN else 0.0
            before = end
        self.tick.record(before - start)
