"""Reports plain episodes, `sim2edge eval --report FILE.html`, each of them as a trial."""

from collections.abc import Mapping
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract
from policies.evaluation.episodes import Episodes
from policies.evaluation.gate import Gate
from policies.evaluation.suite_result import SuiteResult, TrialResult, known
from policies.film.small_film import Film, TrajectoryRecorder
from policies.report.evaluation_report import INTERRUPTED, EvaluationReport, worst_trials
from policies.report.page import write_report
from policies.train.provenance import describe_origin
from sim.engines.choice import MUJOCO
from sim.tasks.task import EpisodeEnd

SUITE = "episodes"
FILMED = 3  # episodes, in each engine


class EpisodesReport:
    """Gathers what a report says while episodes are played, engine by engine.

    Args:
        policy: where it was read from.
        seed: the evaluation's.
        units: the units of the task's metrics, by name.
        contract: the policy's, None for a driver that is none.
    """

    def __init__(
        self,
        policy: str,
        seed: int,
        units: Mapping[str, str],
        contract: Contract | None = None,
    ) -> None:
        self._policy, self._seed, self._units, self._contract = policy, seed, units, contract
        self._results: list[SuiteResult] = []
        self._films: list[Film] = []
        self._means: dict[str, Mapping[str, float]] = {}
        self._no_films = ""
        self.interrupted = False  # by the user, while it filmed
        self._goal = "survived"

    def add(
        self, episodes: Episodes, trajectory: TrajectoryRecorder, task: str, engine: str = MUJOCO
    ) -> None:
        """Adds the episodes in one engine, and films what went wrong.

        Args:
            episodes: what happened.
            trajectory: where the robots were; their simulations still run.
            task: its name.
            engine: what moved the robots.
        """
        result = as_trials(episodes, policy=self._policy, task=task, engine=engine, seed=self._seed)
        self._results.append(result)
        self._means[engine] = episodes.summary()
        self._goal = episodes.end.goal or "survived"
        if result.interrupted:
            self._no_films = INTERRUPTED
            return
        try:
            self._films += trajectory.film(worst_trials(result, FILMED))
        except UserError as error:  # figures without films are better than nothing
            self._no_films = str(error)
        except KeyboardInterrupt:
            self._no_films, self.interrupted = INTERRUPTED, True

    def write(self, path: Path, gate: Gate | None) -> Path:
        """Writes the page.

        Args:
            path: where, ending in .html.
            gate: what is asked for.

        Raises:
            UserError: it cannot be written there.
        """
        origin = describe_origin()
        evaluation = EvaluationReport(
            results=tuple(self._results),
            contract=self._contract,
            units=self._units,
            bounds=gate.judge(self._means) if gate else (),
            films=tuple(self._films),
            goal=self._goal,
            command=str(origin["command"]),
            replay=lambda result, trial: "",  # the episodes of an evaluation are drawn together
            no_films=self._no_films,
            origin=origin,
        )
        return write_report(path, evaluation)


def as_trials(episodes: Episodes, *, policy: str, task: str, engine: str, seed: int) -> SuiteResult:
    """Returns one trial an episode; it succeeded if it survived and reached the task's goal.

    Args:
        episodes: what happened.
        policy: where it was read from.
        task: its name.
        engine: what moved the robots.
        seed: the evaluation's.
    """
    measured = {**episodes.metrics, "return": episodes.total_reward}
    trials = []
    for k, row in enumerate(episodes.rows.tolist()):
        metrics = known({name: float(values[k]) for name, values in measured.items()})
        seconds = float(episodes.seconds[k])
        trial = TrialResult(
            trial=row,
            seed=seed,
            engine=engine,
            settings={},
            success=bool(episodes.success[k]),
            seconds=seconds,
            why=_why(episodes.end, bool(episodes.survived[k]), metrics, seconds),
            metrics=metrics,
        )
        trials.append(trial)
    return SuiteResult(
        suite=SUITE,
        policy=policy,
        task=task,
        engine=engine,
        trials=tuple(trials),
        note=episodes.note,
        seed=seed,
        planned=episodes.planned,
        interrupted=episodes.interrupted,
    )


def _why(end: EpisodeEnd, survived: bool, metrics: Mapping[str, float], seconds: float) -> str:
    if survived:
        reached = metrics.get(end.goal, 1.0) > 0
        return f"went on for {seconds:.1f} s" if reached else f"{end.missed} in {seconds:.1f} s"
    causes = (said for name, said in end.causes.items() if metrics.get(name, 0.0) > 0)
    return f"{next(causes, end.otherwise)} at {seconds:.1f} s"
