"""The report of plain episodes, `sim2edge eval --report FILE.html`: each is told as a trial."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edge_runtime.contract import Contract
from edge_runtime.errors import UserError
from edge_runtime.signal import Array
from policies.evaluate import Episodes, play
from policies.gate import Gate
from policies.provenance import describe_origin
from policies.report.evaluation import Evaluation, Film, bounds_of, worst_trials
from policies.report.film import WayRecorder
from policies.report.page import write_report
from policies.suites.result import SuiteResult, TrialResult, known
from sim.vector_env import TaskVectorEnv

SUITE = "episodes"
MUJOCO = "mujoco"
LAPPED, LEFT = "lapped", "left_track"  # metrics of a car, which must lap besides surviving
FILMED = 3  # episodes, in each engine


class EpisodesReport:
    """Gathers what a report tells while episodes are played, engine by engine.

    Args:
        policy: where it was read from.
        seed: of the evaluation.
    """

    def __init__(self, policy: str, seed: int) -> None:
        self._policy, self._seed = policy, seed
        self._contract: Contract | None = None
        self._results: list[SuiteResult] = []
        self._films: list[Film] = []
        self._means: dict[str, Mapping[str, float]] = {}
        self._no_films = ""
        self._goal = "survived"

    def play(
        self,
        env: TaskVectorEnv,
        act: Callable[[Array], Array],
        contract: Contract | None,
        engine: str = MUJOCO,
    ) -> Episodes:
        """As `policies.evaluate.play`, with films of what went wrong.

        Args:
            env: the simulations.
            act: observations (N, n) -> actions (N, A).
            contract: the policy's, None for a driver that is none.
            engine: what moves the robots.
        """
        self._contract = contract
        way = WayRecorder(env, act)
        episodes = play(env, way, self._seed)
        result = as_trials(
            episodes, policy=self._policy, task=env.config.name, engine=engine, seed=self._seed
        )
        self._results.append(result)
        self._means[engine] = episodes.summary()
        self._goal = LAPPED if LAPPED in episodes.metrics else "survived"
        try:
            self._films += way.film(worst_trials(result, FILMED))
        except UserError as error:  # figures without films are better than nothing
            self._no_films = str(error)
        return episodes

    def write(self, path: Path, gate: Gate | None) -> Path:
        """Write the page.

        Args:
            path: where, ending in .html.
            gate: what is asked for.

        Raises:
            UserError: it cannot be written there.
        """
        origin = describe_origin()
        evaluation = Evaluation(
            results=tuple(self._results),
            contract=self._contract,
            bounds=bounds_of(gate, self._means) if gate else (),
            films=tuple(self._films),
            goal=self._goal,
            command=str(origin["command"]),
            replay=lambda result, trial: "",  # the episodes of an evaluation are drawn together
            no_films=self._no_films,
            origin=origin,
        )
        return write_report(path, evaluation)


def as_trials(episodes: Episodes, *, policy: str, task: str, engine: str, seed: int) -> SuiteResult:
    """One trial an episode; it succeeded if it survived to the end, and lapped if it could.

    Args:
        episodes: what happened.
        policy: where it was read from.
        task: its name.
        engine: what moved the robots.
        seed: of the evaluation.
    """
    count = len(episodes.seconds)
    measured = {**episodes.metrics, "return": episodes.total_reward}
    survived = episodes.survived > 0
    lapped = episodes.metrics.get(LAPPED, np.ones(count)) > 0
    trials = tuple(
        TrialResult(
            trial=k,
            seed=seed,
            engine=engine,
            settings={},
            success=bool(survived[k] and lapped[k]),
            seconds=float(episodes.seconds[k]),
            why=_why(bool(survived[k]), metrics, float(episodes.seconds[k])),
            metrics=metrics,
        )
        for k, metrics in enumerate(
            known({name: values[k] for name, values in measured.items()}) for k in range(count)
        )
    )
    return SuiteResult(SUITE, policy, task, engine, trials, seed=seed, planned=count)


def _why(survived: bool, metrics: Mapping[str, float], seconds: float) -> str:
    if survived:
        lapped = metrics.get(LAPPED, 1.0) > 0
        return f"went on for {seconds:.1f} s" if lapped else f"no lap in {seconds:.1f} s"
    if LAPPED not in metrics:
        return f"fell at {seconds:.1f} s"
    how = "left the track" if metrics.get(LEFT, 0.0) > 0 else "stopped"
    return f"{how} at {seconds:.1f} s"
