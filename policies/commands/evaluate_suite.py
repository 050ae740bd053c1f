"""Runs `sim2edge eval --suite`: a policy's trials under stress, in one engine or in both."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from edge_runtime.errors import UserError
from policies.commands.evaluate_config import MISSED, EvaluateConfig
from policies.commands.evaluate_tables import print_results
from policies.evaluation.gate import Gate
from policies.evaluation.suite_result import TRIAL_FIGURES, SuiteResult, TrialResult, write_results
from policies.export.policy_file import PolicyFile
from policies.faults.fault_suite import METRICS, run_faults
from policies.faults.fault_table import fault_table
from policies.film.small_film import HEIGHT, LETTERS, WIDTH
from policies.film.trial_film import FilmConfig, film_trial
from policies.gauntlet.gauntlet_suite import figures_of, not_started, run_gauntlet
from policies.gauntlet.protocol import FAULTS, GauntletProtocol, find_protocol
from policies.gauntlet.trial_env import GauntletRun
from policies.report.evaluation_report import worst_trials
from policies.report.suite_report import FILMED, FilmTrial, report_suite
from sim.engines.choice import MUJOCO
from sim.envs.vector_env import MODEL

TRIALS = 100  # of the gauntlet


def run_suite(config: EvaluateConfig) -> int:
    """Runs the trials, and prints, writes, judges and films what came out.

    Returns:
        0, or 1 when the gate was missed or trials are missing.

    Raises:
        UserError: an option, the policy or the suite cannot be used.
    """
    protocol = find_protocol(config.suite)
    gate = Gate.read(config.gate) if config.gate else None
    policy = PolicyFile.find(Path(config.policy))
    film, small = None, None
    if protocol.suite == FAULTS:
        _check_faults(config)
        if gate:
            gate.check((*TRIAL_FIGURES, *METRICS))
        results = [_faults(policy, config)]
    else:
        _try_out(policy, protocol, config.engines, gate)
        results = _gauntlet(policy, protocol, config)
        look = FilmConfig(WIDTH, HEIGHT, letters=LETTERS)
        film = partial(_film, policy, protocol, config.estimates, FilmConfig())
        small = partial(_film, policy, protocol, config.estimates, look)
    console = Console()
    print_results(results, console)
    if protocol.suite == FAULTS:
        console.print(fault_table(results[0]))
    lines = gate.judge_engines({r.engine: r.summary() for r in results}) if gate else []
    for line in lines:
        print(line)
    if config.json:
        write_results(config.json, tuple(results), config)
    if config.report:
        print(report_suite(config.report, results, policy.contract, gate, small))
    if config.films and film and not any(result.interrupted for result in results):
        film_worst(results, film, config.films)
    missed = any(line.startswith("missed") for line in lines)
    missing = any(len(result.trials) < result.planned for result in results)
    return MISSED if missed or missing else 0


def film_worst(results: Sequence[SuiteResult], film: FilmTrial, folder: Path) -> None:
    """Films each engine's failed trials that say most, into that folder."""
    for result in results:
        if result.trials and result.success == 1.0:
            print(f"no films of {result.engine}: no trial failed")
        for trial in worst_trials(result, FILMED):
            path = folder / f"{result.engine}-{trial.trial}.mp4"
            film(trial, path)
            print(f"{path}: {trial.why}")


def _film(
    policy: PolicyFile,
    protocol: GauntletProtocol,
    estimates: str,
    look: FilmConfig,
    trial: TrialResult,
    path: Path,
) -> Path:
    run = GauntletRun([trial.trial], trial.seed, trial.engine, estimates)
    return film_trial(policy, protocol, run, trial, path, look)


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
