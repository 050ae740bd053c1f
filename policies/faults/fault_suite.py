"""Runs fault trials: the edge runtime itself drives a simulated robot, and something goes wrong.

Trial k of a suite is fault k modulo their number, met for the (k over their number)-th time.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_runtime.estimators import AUTO, find_fusion
from edge_runtime.policy.inference import Policy
from edge_runtime.safety.rules import Reaction
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.suite_result import SuiteResult, TrialResult, known
from policies.faults.catalog import End, FaultConfig, faults_of
from policies.faults.fault_trial import FaultOutcome, FaultTrial, FaultTrialConfig
from sim.engines.choice import MUJOCO
from sim.server.simulated_robot import SimulatedRobot

SUITE = "faults"
METRICS = ("reaction_s", "of_declared_time", "reactions_in_time", "fell")
REPEATS = 3  # times that each fault is met
_WORLDS = 1_000_000  # as many tracks as are set aside
DEFAULT = FaultTrialConfig()


def run_faults(
    policy: PolicyFile,
    numbers: Sequence[int] | None = None,
    seed: int = 0,
    config: FaultTrialConfig = DEFAULT,
    progress: Callable[[int, int], None] = lambda done, planned: None,
) -> SuiteResult:
    """Runs a policy against every fault; Ctrl-C keeps what is finished.

    Args:
        policy: what drives.
        numbers: the trials' numbers; by default those that meet each fault `REPEATS` times, in
            another world each time.
        seed: decides everything random.
        config: the settings of each trial.
        progress: called with how many trials are done, and how many there are.
    """
    suite = FaultSuite(policy, seed, config)
    if numbers is None:
        numbers = range(REPEATS * len(suite.faults))
    trials, interrupted = [], False
    try:
        for trial in numbers:
            trials.append(as_trial(trial, seed, suite.run(trial)))
            progress(len(trials), len(numbers))
    except KeyboardInterrupt:
        interrupted = True
    return SuiteResult(
        suite=SUITE,
        policy=policy.source,
        task=policy.task.name,
        engine=MUJOCO,
        trials=tuple(trials),
        note=f"interrupted: {len(trials)} of {len(numbers)} trials" if interrupted else "",
        seed=seed,
        planned=len(numbers),
        interrupted=interrupted,
    )


class FaultSuite:
    """Runs trials of all faults that can happen to a policy's robot.

    Args:
        policy: what drives.
        seed: decides everything random.
        config: the settings of each trial.
    """

    def __init__(
        self, policy: PolicyFile, seed: int = 0, config: FaultTrialConfig = DEFAULT
    ) -> None:
        self._policy, self._seed, self._config = policy, seed, config
        robot, facts = self._robot(0).description, policy.task.robot
        estimator = find_fusion(AUTO, policy.contract, robot)
        self.faults = faults_of(robot, policy.contract, estimator.reads, facts.weakened)
        estimator.close()

    def run(self, trial: int) -> FaultOutcome:
        """Runs one trial, which depends on the seed and its number alone."""
        fault = self.faults[trial % len(self.faults)]
        return self.meet(fault, trial // len(self.faults))

    def meet(self, fault: FaultConfig, repeat: int = 0) -> FaultOutcome:
        """Runs a trial of a fault in the world of that repeat."""
        policy = Policy(self._policy.model, self._policy.source)
        robot, seed = self._robot(repeat), self._drawn(repeat)
        return FaultTrial(policy, robot, fault, seed, self._config).run()

    def _drawn(self, repeat: int) -> int:
        return int(np.random.SeedSequence((self._seed, repeat)).generate_state(1)[0])

    def _robot(self, repeat: int) -> SimulatedRobot:
        """Returns the nominal robot with its sensors' noise, in a world that no training has
        seen."""
        task = self._policy.task
        task = dataclasses.replace(task.nominal(), noise=task.noise)
        drawn = self._drawn(repeat)
        return SimulatedRobot(task.unseen(drawn % _WORLDS).in_one_world(), drawn)


def as_trial(trial: int, seed: int, outcome: FaultOutcome) -> TrialResult:
    """Returns the outcome as a trial's result, which has the same form in every suite."""
    due = [j for j in outcome.judged if j.due]
    measured = (
        max((j.took or math.nan for j in due), default=math.nan),
        max((_share(j.took, j.within) for j in due), default=math.nan),
        float(np.mean([j.in_time for j in due])) if due else math.nan,
        float(outcome.end is End.FELL),
    )
    return TrialResult(
        trial=trial,
        seed=seed,
        engine=MUJOCO,
        settings={"speed_m_s": outcome.speed},
        success=outcome.success,
        seconds=outcome.seconds,
        why=f"{outcome.fault.name}: {reactions(outcome)}; {outcome.end}",
        metrics=known(dict(zip(METRICS, measured))),
    )


def parts(trial: TrialResult) -> tuple[str, str, str]:
    """Returns the fault that a trial of `as_trial` met, what fired, and how the robot ended."""
    fault, _, rest = trial.why.partition(": ")
    fired, _, end = rest.rpartition("; ")
    return fault, fired, end


def reactions(outcome: FaultOutcome) -> str:
    """Says what fired and when, each kind of reaction once."""
    first: dict[Reaction, str] = {}
    for fault, reaction, seconds in outcome.fired:
        what = f"{reaction.name.lower()} ({fault.name.lower()}) after {1e3 * seconds:.0f} ms"
        first.setdefault(reaction, what)
    missing = [
        f"no {j.declared.reaction.name.lower()} ({j.declared.fault.name.lower()})"
        for j in outcome.judged
        if j.due and j.took is None
    ]
    return ", ".join([*first.values(), *missing]) or "no reaction"


@dataclass(frozen=True)
class FaultSummary:
    """Sums up what a fault did over all its trials."""

    name: str
    trials: int
    due: int  # declared reactions that had to fire
    in_time: int
    slowest: float  # of their declared times, a share; NaN where none was due
    unasked: int  # drives that the guard ended with nothing declared
    ends: tuple[tuple[End, int], ...]
    reactions: str  # those of the first trial

    @property
    def falls(self) -> int:
        """Returns how many trials ended with the robot fallen, or off the track."""
        return dict(self.ends).get(End.FELL, 0)


def by_fault(outcomes: Sequence[FaultOutcome]) -> Iterator[FaultSummary]:
    """Yields a summary of each fault, in the order in which they came."""
    for name in dict.fromkeys(outcome.fault.name for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.fault.name == name]
        due = [j for outcome in mine for j in outcome.judged if j.due]
        ends = [outcome.end for outcome in mine]
        yield FaultSummary(
            name=name,
            trials=len(mine),
            due=len(due),
            in_time=sum(j.in_time for j in due),
            slowest=max((_share(j.took, j.within) for j in due), default=math.nan),
            unasked=sum(outcome.unasked for outcome in mine),
            ends=tuple((end, ends.count(end)) for end in End if end in ends),
            reactions=reactions(mine[0]),
        )


def _share(took: float | None, within: float) -> float:
    return math.inf if took is None else took / within
