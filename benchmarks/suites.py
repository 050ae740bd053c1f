"""Measures how many gauntlet trials the committed policies complete, how long 100 of them take, and
the declared reactions to faults while both policies drive in the edge runtime.

The best open humanoid policies completed 77 % (MuJoCo) and 78 % (PyBullet) of a similar protocol.
"""

import math
from collections.abc import Iterator, Sequence
from time import perf_counter

from figures import Figure, parse_arguments, report

from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.suite_result import SuiteResult
from policies.faults.fault_suite import REPEATS, FaultSuite, by_fault
from policies.faults.fault_trial import FaultOutcome
from policies.gauntlet.gauntlet_suite import run_gauntlet
from policies.gauntlet.protocol import GauntletProtocol
from policies.gauntlet.trial_env import GauntletRun
from sim.engines.choice import BULLET, MUJOCO

SEED = 7  # of the suite
TRIALS, QUICK = 100, 10
MINUTES = 10.0  # minutes that TRIALS may take in one engine
ROBOTS = {"humanoid": "HumanoidVelocity", "car": "VehicleTrack"}
# (robot, policy, engine): the share of trials to complete, %, and the peer
ASKED = {
    ("humanoid", "HumanoidVelocity", MUJOCO): (75.0, "best open humanoid policies 77 %"),
    ("humanoid", "HumanoidVelocity", BULLET): (70.0, "best open humanoid policies 78 %"),
    ("car", "VehicleTrack", MUJOCO): (85.0, ""),
    ("car", "VehicleTrack", BULLET): (80.0, ""),
}


def main() -> int:
    """Prints all rows; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    trials = QUICK if arguments.quick else TRIALS
    figures = []
    for (robot, name, engine), (target, peer) in ASKED.items():
        policy = PolicyFile.committed(name)
        started = perf_counter()
        result = run_gauntlet(policy, GauntletProtocol(), GauntletRun(range(trials), SEED, engine))
        minutes = (perf_counter() - started) / 60.0
        figures += result_figures(f"{robot}, {engine}", result, target, peer)
        figures.append(duration(f"{robot}, {engine}", minutes, trials))
    figures += faults(1 if arguments.quick else REPEATS)
    return report(figures, arguments.json)


def faults(repeats: int) -> Iterator[Figure]:
    """Lets each fault happen that many times to each robot."""
    for robot, name in ROBOTS.items():
        suite = FaultSuite(PolicyFile.committed(name))
        outcomes = [suite.run(trial) for trial in range(repeats * len(suite.faults))]
        yield from (*shares(robot, outcomes), *falls(robot, outcomes))


def result_figures(where: str, result: SuiteResult, target: float, peer: str) -> list[Figure]:
    """Returns the results of one robot in one engine."""
    summary = result.summary()
    completed = 100.0 * sum(trial.success for trial in result.trials) / result.planned
    done = Figure(f"{where}: {result.planned} trials completed", completed, "%", target, peer)
    if "pushes_survived" not in summary:
        return [done]
    pushes = 100.0 * summary["pushes_survived"]
    return [done, Figure(f"{where}: pushes survived", pushes, "%")]


def duration(where: str, minutes: float, trials: int) -> Figure:
    """Returns the duration; fewer trials have no target."""
    target = MINUTES if trials == TRIALS else None
    return Figure(f"{where}: {trials} trials took", minutes, "min", target, at_least=False)


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
    raise SystemExit(main())
