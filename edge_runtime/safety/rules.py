"""Declares what may go wrong in a tick, and the reaction to it; severe ones latch."""

from dataclasses import dataclass
from enum import IntEnum

from edge_runtime.policy.contract import Contract


class Fault(IntEnum):
    """Names the faults that are measured in every tick."""

    MISSED = 0
    MISS_RATE = 1
    STALE = 2
    FROZEN = 3
    SENSOR_NOT_FINITE = 4
    OBSERVATION_NOT_FINITE = 5
    ACTION_NOT_FINITE = 6
    ACTION_BEYOND_CLIP = 7
    TILT = 8
    ESTIMATOR_LOST = 9
    # A stage of the tick takes more than its share of the budget; in the order of the stages.
    SENSE_OVER_BUDGET = 10
    FUSE_OVER_BUDGET = 11
    INFER_OVER_BUDGET = 12
    GUARD_OVER_BUDGET = 13
    ACT_OVER_BUDGET = 14


OVERRUNS = tuple(fault for fault in Fault if fault.name.endswith("_OVER_BUDGET"))


MEASURES = {
    Fault.MISSED: "periods missed in one go",
    Fault.MISS_RATE: "share of periods missed over about a second",
    Fault.STALE: "seconds without a new sample",
    Fault.FROZEN: "samples in a row in which a sensor repeats itself bit for bit",
    Fault.SENSOR_NOT_FINITE: "samples in a row with a NaN or infinite value",
    Fault.OBSERVATION_NOT_FINITE: "ticks in a row with a NaN or infinite observation",
    Fault.ACTION_NOT_FINITE: "ticks in a row with a NaN or infinite action",
    Fault.ACTION_BEYOND_CLIP: "largest action as a multiple of the clip",
    Fault.TILT: "rad from upright",
    Fault.ESTIMATOR_LOST: "ticks in a row in which the estimator does not trust itself",
} | {
    fault: f"share of ticks over about a second in which {fault.name.split('_')[0].lower()} "
    "took more than its budget"
    for fault in OVERRUNS
}


class Reaction(IntEnum):
    """Orders the reactions by severity; the most severe one that is due wins.

    A stop keeps the robot under control, and a limp robot cannot be taken back safely. So damping
    is the last resort, and nothing leads from it back to a stop.
    """

    NONE = 0  # a rule only warns: it is counted and reported, and the policy drives on
    HOLD = 1  # repeat the last good target
    STOP = 2  # bring the robot to rest under control, then damp it
    DAMP = 3  # no stiffness, damping only


@dataclass(frozen=True)
class Rule:
    """Declares the reaction to a fault whose measure exceeds `limit`.

    A latched reaction stays until `Guard.reset`; any other ends with its fault. After a fault that
    leaves sensors and policy sound (`by_policy`), the policy brings the robot to rest.
    """

    fault: Fault
    limit: float
    reaction: Reaction
    latch: bool = True
    by_policy: bool = False  # whether a STOP is left to the policy, in ticks in which it can

    @property
    def consequence(self) -> str:
        """Returns what the rule leads to, in a word: warn, hold, stop or damp."""
        return self.reaction.name.lower() if self.reaction else "warn"


def default_rules(contract: Contract) -> tuple[Rule, ...]:
    """Returns the reactions for a robot that could hurt somebody.

    A single bad sample is bridged by holding the last good target. Bad samples that last, and any
    bad observation or action, stop the robot. A fall or a lost attitude makes it limp. Late ticks,
    a NaN from the operator and one from a sensor that the policy does not read leave the policy
    sound, so it brings the robot to rest: a walking robot cannot stop without it. A stage that now
    and then takes more than its share of the budget is reported; one that does so in most ticks
    stops the robot, for its share was promised to the other stages.
    """
    period = contract.control_period
    return (
        Rule(Fault.MISSED, 10, Reaction.STOP, by_policy=True),
        Rule(Fault.MISS_RATE, 0.3, Reaction.STOP, by_policy=True),
        Rule(Fault.STALE, 2.5 * period, Reaction.HOLD, latch=False),
        Rule(Fault.STALE, max(0.2, 5 * period), Reaction.STOP),
        Rule(Fault.FROZEN, 5, Reaction.STOP),
        Rule(Fault.SENSOR_NOT_FINITE, 0, Reaction.HOLD, latch=False, by_policy=True),
        Rule(Fault.SENSOR_NOT_FINITE, 5, Reaction.STOP, by_policy=True),
        Rule(Fault.OBSERVATION_NOT_FINITE, 0, Reaction.STOP, by_policy=True),
        Rule(Fault.ACTION_NOT_FINITE, 0, Reaction.STOP),
        Rule(Fault.ACTION_BEYOND_CLIP, 10, Reaction.STOP),
        Rule(Fault.TILT, contract.max_tilt, Reaction.DAMP),
        Rule(Fault.ESTIMATOR_LOST, 0, Reaction.HOLD, latch=False),
        Rule(Fault.ESTIMATOR_LOST, 5, Reaction.DAMP),
        *(Rule(over, 0.1, Reaction.NONE, latch=False, by_policy=True) for over in OVERRUNS),
        *(Rule(over, 0.5, Reaction.STOP, by_policy=True) for over in OVERRUNS),
    )
