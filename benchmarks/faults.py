"""Measures the declared reactions to faults while both committed policies drive in the edge
runtime."""

import math
import sys
from collections.abc import Sequence

from figures import Figure, parse_arguments, report

from policies.evaluation.policy_file import PolicyFile
from policies.faults.fault_suite import REPEATS, FaultSuite, by_fault
from policies.faults.fault_trial import FaultOutcome

ROBOTS = {"humanoid": "HumanoidVelocity", "car": "VehicleTrack"}


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    repeats = 1 if arguments.quick else REPEATS
    figures = []
    for robot, name in ROBOTS.items():
        suite = FaultSuite(PolicyFile.committed(name))
        outcomes = [suite.run(trial) for trial in range(repeats * len(suite.faults))]
        figures += [*shares(robot, outcomes), *falls(robot, outcomes)]
    return report(figures, arguments.json)


def shares(robot: str, outcomes: Sequence[FaultOutcome]) -> list[Figure]:
    """Returns the share of declared reactions that came in time."""
    due = [j for outcome in outcomes for j in outcome.judged if j.due]
    in_time = sum(j.in_time for j in due) / len(due)
    slowest = max(math.inf if j.took is None else j.took / j.within for j in due)
    borne = [o for o in outcomes if not o.fault.declared]
    ridden = sum(o.success for o in borne) / len(borne)
    return [
        Figure(f"{robot}, {len(due)} declared reactions in time", 100.0 * in_time, "%", 100.0),
        Figure(
            f"{robot}, slowest reaction",
            100.0 * slowest,
            "% of its declared time",
            100.0 + 1e-3,
            at_least=False,
        ),
        Figure(f"{robot}, faults to be ridden out that are", 100.0 * ridden, "%"),
    ]


def falls(robot: str, outcomes: Sequence[FaultOutcome]) -> list[Figure]:
    """Returns a row for each fault by which the robot fell, or left the track."""
    return [
        Figure(
            f"{robot}, {fault.name}: falls",
            100.0 * fault.falls / fault.trials,
            "%",
            peer=fault.reactions,
            at_least=False,
        )
        for fault in by_fault(outcomes)
        if fault.falls
    ]


if __name__ == "__main__":
    sys.exit(main())
