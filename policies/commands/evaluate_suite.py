"""Runs `sim2edge eval --suite`: a policy's trials under stress, in one engine or in both."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from edge_runtime.errors import UserError
from edge_runtime.files import make_folder, write_file
from policies.commands.evaluate_config import MISSED, EvaluateConfig
from policies.commands.evaluate_tables import print_results
from policies.evaluation.ci_result import CiResult, EngineOutcome
from policies.evaluation.gate import Gate
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.side_by_side import spread
from policies.evaluation.suite_result import TRIAL_FIGURES, SuiteResult, TrialResult, write_results
from policies.faults.fault_suite import METRICS, run_faults
from policies.faults.fault_table import fault_table
from policies.film.film_file import check_film
from policies.film.trial_film import film_trial
from policies.gauntlet.gauntlet_suite import figures_of, not_started, run_gauntlet
from policies.gauntlet.protocol import FAULTS, GauntletProtocol, find_protocol
from policies.gauntlet.trial_env import GauntletRun
from policies.report.evaluation_report import INTERRUPTED, worst_trials
from policies.report.suite_report import TrialFilm, report_suite
from sim.engines.choice import MUJOCO
from sim.envs.vector_env import MODEL

TRIALS = 100  # of the gauntlet
FILMED = 3  # trials, in each engine

FilmTrial = Callable[[TrialResult, Path], object]
"""Films the end of a trial into an MP4 file; UserError where this machine cannot draw."""


def run_suite(config: EvaluateConfig) -> int:
    """Runs the trials, and prints, writes, judges and films what came out.

    Returns:
        0, or 1 when the gate was missed or trials are missing.

    Raises:
        UserError: an option, the policy or the suite cannot be used.
    """
    protocol = find_protocol(config.suite)
    policy = PolicyFile.find(Path(config.policy))
    units = policy.task.metric_units
    gate = Gate.read(config.gate, units) if config.gate else None
    film: FilmTrial | None = None
    if config.films:
        is_new = not config.films.exists()
        make_folder(config.films)
        check_film(config.films / "film.mp4")
        if is_new:
            config.films.rmdir()  # until there is a film
    if protocol.suite == FAULTS:
        _check_faults(config)
        if gate:
            gate.check((*TRIAL_FIGURES, *METRICS))
        results = [_faults(policy, config)]
    else:
        _try_out(policy, protocol, config.engines, gate)
        results = _gauntlet(policy, protocol, config)
        film = partial(_film, policy, protocol, config.estimates)
    console = Console()
    print_results(results, units, console)
    if protocol.suite == FAULTS:
        console.print(fault_table(results[0]))
    outcomes = {
        r.engine: EngineOutcome(r.summary(), len(r.trials), r.planned, r.note) for r in results
    }
    suite = protocol.source or protocol.suite
    judged = CiResult(suite, policy.task.name, policy.source, policy.model, outcomes, gate)
    for line in judged.lines():
        print(line)
    if config.json:
        spreads = {r.engine: spread(r.figures()) for r in results}
        more = judged.document() | {"spread": spreads}
        write_results(config.json, tuple(results), config, **more)
    if config.junit:
        write_file(config.junit, judged.junit())
    _show(config, results, policy, gate, film)
    return 0 if judged.passed else MISSED


def _show(
    config: EvaluateConfig,
    results: Sequence[SuiteResult],
    policy: PolicyFile,
    gate: Gate | None,
    film: FilmTrial | None,
) -> None:
    """Films what failed, once for the folder of films and the report, and writes the report.

    Raises:
        UserError: films were asked for and cannot be made, or the report cannot be written.
    """
    if not (config.report or config.films):
        return
    with tempfile.TemporaryDirectory(prefix="sim2edge-") as scratch:
        films: list[TrialFilm] = []
        missing = ""
        if film is not None:
            films, missing = film_worst(results, film, config.films or Path(scratch))
        if config.films:
            for result in results:
                if result.trials and result.success == 1.0:
                    print(f"no films of {result.engine}: no trial failed")
            for trial, path in films:
                print(f"{path}: {trial.why}")
        if config.report:
            page = report_suite(config.report, results, policy, gate, films, missing)
            print(page)
    if config.films and missing and missing != INTERRUPTED:
        raise UserError(missing)


def film_worst(
    results: Sequence[SuiteResult], film: FilmTrial, folder: Path
) -> tuple[list[TrialFilm], str]:
    """Films each engine's failed trials that say most, into that folder.

    Returns:
        The trials with their films, and why there are no more, if some are missing.
    """
    trials = [trial for result in results for trial in worst_trials(result, FILMED)]
    films: list[TrialFilm] = []
    if any(result.interrupted for result in results):
        return films, INTERRUPTED
    with Progress(transient=True) as progress:
        bar = progress.add_task("filming what failed", total=len(trials))
        for k, trial in enumerate(trials, start=1):
            where = f"trial {trial.trial} in {trial.engine}"
            print(f"filming {k} of {len(trials)}: {where}", flush=True)
            path = folder / f"{trial.engine}-{trial.trial}.mp4"
            try:
                make_folder(folder)
                film(trial, path)
            except UserError as error:  # figures without films are better than nothing
                return films, str(error)
            except KeyboardInterrupt:
                return films, INTERRUPTED
            films.append((trial, path))
            progress.advance(bar)
    return films, ""


def _film(
    policy: PolicyFile,
    protocol: GauntletProtocol,
    estimates: str,
    trial: TrialResult,
    path: Path,
) -> Path:
    run = GauntletRun([trial.trial], trial.seed, trial.engine, estimates)
    return film_trial(policy, protocol, run, trial, path)


def _try_out(
    policy: PolicyFile, protocol: GauntletProtocol, engines: Sequence[str], gate: Gate | None
) -> None:
    """Refuses what a later engine cannot run, or the gate cannot judge, before anything runs."""
    for engine in engines if gate else engines[1:]:
        figures = figures_of(policy, protocol, engine)
        if gate:
            gate.check(figures)


def _gauntlet(
    policy: PolicyFile, protocol: GauntletProtocol, config: EvaluateConfig
) -> list[SuiteResult]:
    """Runs the trials in each engine, until the user interrupts."""
    numbers = range(config.trials or TRIALS) if config.trial is None else [config.trial]
    results: list[SuiteResult] = []
    for engine in config.engines:
        run = GauntletRun(numbers, config.seed, engine, config.estimates)
        if any(result.interrupted for result in results):
            results.append(not_started(policy, protocol, run))
            continue
        with Progress(transient=True) as progress:
            task = progress.add_task(f"{protocol.suite} in {engine}", total=len(numbers))
            after = partial(progress.advance, task)
            results.append(run_gauntlet(policy, protocol, run, after))
    return results


def _check_faults(config: EvaluateConfig) -> None:
    if config.engines != (MUJOCO,) or config.films:
        raise UserError("fault trials run in MuJoCo, without --films; leave out --engine")
    if config.estimates != MODEL:
        raise UserError("fault trials run the robot's own estimator; leave out --estimates")


def _faults(policy: PolicyFile, config: EvaluateConfig) -> SuiteResult:
    numbers = range(config.trials) if config.trials else None
    with Progress(transient=True) as progress:
        task = progress.add_task(FAULTS)

        def after(done: int, planned: int) -> None:
            progress.update(task, completed=done, total=planned)

        one = None if config.trial is None else [config.trial]
        return run_faults(policy, one or numbers, config.seed, progress=after)
