"""`sim2edge eval --suite`: a policy's trials under stress, in one engine or in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from edge_runtime.errors import UserError
from policies.gate import Gate
from policies.policy_file import PolicyFile
from policies.report.film import HEIGHT, WIDTH
from policies.report.suite import FilmTrial, report_suite
from policies.suites.film import FilmConfig, film_trial
from policies.suites.gauntlet import Run, run_gauntlet
from policies.suites.protocol import Protocol, find_protocol
from policies.suites.result import SuiteResult, TrialResult, write_results
from policies.suites.table import print_results
from sim.vector_env import MODEL

MISSED = 1  # exit code


@dataclass(frozen=True)
class SuiteRun:
    """What `sim2edge eval --suite` was asked for."""

    policy: str
    suite: str
    trials: int = 100
    trial: int | None = None
    seed: int = 0
    engines: tuple[str, ...] = ("mujoco",)
    estimates: str = MODEL
    json: Path | None = None
    gate: Path | None = None
    films: Path | None = None
    report: Path | None = None
    worst: int = 3


def run_suite(asked: SuiteRun) -> int:
    """Run the trials, and print, write and film what came out.

    Returns:
        0, or 1 when the gate was missed or trials are missing.

    Raises:
        UserError: an option, the policy or the suite cannot be used.
    """
    if asked.trials < 1:
        raise UserError("--trials must be positive")
    if asked.trial is not None and asked.trial < 0:
        raise UserError("--trial must not be negative")
    protocol = find_protocol(asked.suite)
    gate = Gate.read(asked.gate) if asked.gate else None
    policy = PolicyFile.find(Path(asked.policy))
    numbers = range(asked.trials) if asked.trial is None else [asked.trial]
    results = []
    for engine in asked.engines:
        run = Run(numbers, asked.seed, engine, asked.estimates)
        results.append(_with_progress(policy, protocol, run))
        if results[-1].interrupted:
            break
    print_results(results)
    lines = [line for result in results for line in _verdicts(gate, result, len(results) > 1)]
    for line in lines:
        print(line)
    if asked.json:
        write_results(asked.json, tuple(results))
    if asked.films:
        film_worst(policy, protocol, results, asked)
    if asked.report:
        film = _films(policy, protocol, asked)
        print(report_suite(asked.report, results, policy.contract, gate, film))
    missed = any(line.startswith("missed") for line in lines)
    missing = any(len(result.trials) < result.planned for result in results)
    return MISSED if missed or missing else 0


def film_worst(
    policy: PolicyFile, protocol: Protocol, results: Sequence[SuiteResult], asked: SuiteRun
) -> list[Path]:
    """Film each engine's failed trials that ended soonest, `asked.worst` of them."""
    assert asked.films is not None
    paths = []
    for result in results:
        failed = sorted((t for t in result.trials if not t.success), key=lambda t: t.seconds)
        for trial in failed[: asked.worst]:
            run = Run([trial.trial], trial.seed, trial.engine, asked.estimates)
            path = asked.films / f"{result.engine}-{trial.trial}.mp4"
            paths.append(film_trial(policy, protocol, run, trial, path))
            print(f"{path}: {trial.why}")
    return paths


def _with_progress(policy: PolicyFile, protocol: Protocol, run: Run) -> SuiteResult:
    with Progress(transient=True) as progress:
        task = progress.add_task(f"{protocol.suite} in {run.engine}", total=len(run.trials))
        return run_gauntlet(policy, protocol, run, lambda n: progress.advance(task, n))


def _films(policy: PolicyFile, protocol: Protocol, asked: SuiteRun) -> FilmTrial:
    """How the report's films are made."""
    look = FilmConfig(width=WIDTH, height=HEIGHT)

    def film(trial: TrialResult, path: Path) -> Path:
        run = Run([trial.trial], trial.seed, trial.engine, asked.estimates)
        return film_trial(policy, protocol, run, trial, path, look)

    return film


def _verdicts(gate: Gate | None, result: SuiteResult, several: bool) -> list[str]:
    verdicts = gate.judge(result.summary()).values() if gate else ()
    return [f"{line} in {result.engine}" if several else line for line in verdicts]
