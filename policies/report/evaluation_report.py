"""Holds what a report is made from: results by engine, a gate's bounds, films, its origin."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_runtime.policy.contract import Contract
from policies.evaluation.gate import Bound
from policies.evaluation.quantities import kind_of_failure
from policies.evaluation.suite_result import SuiteResult, TrialResult
from policies.film.small_film import Film

INTERRUPTED = "the evaluation was interrupted"  # why there are no more films


@dataclass(frozen=True)
class EvaluationReport:
    """Holds everything that a page says."""

    results: tuple[SuiteResult, ...]  # one an engine
    contract: Contract | None = None  # None for a driver that is no policy
    bounds: tuple[Bound, ...] = ()  # none without a gate
    films: tuple[Film, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)  # of the task's metrics
    goal: str = "completed"  # what a successful trial did, in words
    command: str = ""  # the command line that made it
    replay: Callable[[SuiteResult, TrialResult], str] = SuiteResult.replay
    """The command line that shows a trial again; "" where there is none."""
    no_films: str = ""  # why there are none, where some were wanted
    origin: Mapping[str, object] = field(default_factory=dict)
    """Commit, hardware and versions of this evaluation, of `policies.train.provenance`."""


def failures_by_kind(result: SuiteResult) -> dict[str, int]:
    """Returns how many trials failed in which way, the most frequent first."""
    kinds: dict[str, int] = {}
    for trial in result.trials:
        if not trial.success:
            kind = kind_of_failure(trial.why)
            kinds[kind] = kinds.get(kind, 0) + 1
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def worst_trials(result: SuiteResult, count: int) -> list[TrialResult]:
    """Returns the trials that failed soonest, the soonest of each kind of failure before all
    others."""
    failed = sorted((t for t in result.trials if not t.success), key=lambda t: (t.seconds, t.trial))
    first: dict[str, TrialResult] = {}
    for trial in failed:
        first.setdefault(kind_of_failure(trial.why), trial)
    taken = {t.trial for t in first.values()}
    return [*first.values(), *(t for t in failed if t.trial not in taken)][:count]
