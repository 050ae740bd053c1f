"""The latency budget of a tick: what each stage may take, and what it took."""

from dataclasses import dataclass, field
from enum import IntEnum

from edge_runtime.errors import UserError
from edge_runtime.loop.latency import LatencyHistogram


class Stage(IntEnum):
    """What a tick does, in order."""

    SENSE = 0
    FUSE = 1
    INFER = 2  # observation and network
    GUARD = 3
    ACT = 4


@dataclass(frozen=True)
class BudgetConfig:
    """The share of the period each stage may take; what is left over is slack.

    Raises:
        UserError: a share is not positive, or together they exceed the period.
    """

    sense: float = 0.10
    fuse: float = 0.05
    infer: float = 0.25
    guard: float = 0.05
    act: float = 0.05

    def __post_init__(self) -> None:
        if min(self.shares) <= 0 or sum(self.shares) > 1:
            raise UserError(f"budget shares {self.shares} must be positive and together at most 1")

    @property
    def shares(self) -> tuple[float, ...]:
        """By stage."""
        return (self.sense, self.fuse, self.infer, self.guard, self.act)


@dataclass
class Budget:
    """Measures ticks against their budget. All times in ns."""

    config: BudgetConfig
    period: int
    stages: tuple[LatencyHistogram, ...] = field(
        default_factory=lambda: tuple(LatencyHistogram() for _ in Stage)
    )
    tick: LatencyHistogram = field(default_factory=LatencyHistogram)  # from start to act done
    wake_up: LatencyHistogram = field(default_factory=LatencyHistogram)  # after the release
    over_share: list[int] = field(default_factory=lambda: [0] * len(Stage))
    missed: int = 0  # periods skipped because a tick came too late or took too long

    def __post_init__(self) -> None:
        self.limits = tuple(int(share * self.period) for share in self.config.shares)

    @property
    def infer_limit(self) -> int:
        """ns that a policy may take."""
        return self.limits[Stage.INFER]

    def record(self, marks: list[int]) -> None:
        """Take in one tick: its start, then the end of each stage."""
        before = start = marks[0]
        for stage, histogram in enumerate(self.stages):
            end = marks[stage + 1]
            took = end - before
            histogram.record(took)
            if took > self.limits[stage]:
                self.over_share[stage] += 1
            before = end
        self.tick.record(before - start)
