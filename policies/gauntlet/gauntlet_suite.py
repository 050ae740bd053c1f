"""Runs the gauntlet: trials of one policy in one engine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import Policy
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.suite_result import SURVIVAL, TRIAL_FIGURES, SuiteResult, TrialResult
from policies.gauntlet.protocol import GauntletProtocol
from policies.gauntlet.trial_env import GAUNTLETS, GauntletRun, TrialEnv
from sim.engines.bullet.bullet_engine import WorkerDiedError
from sim.engines.choice import MUJOCO

_TRIES = 3  # of the trials that are left when a worker ends

Progress = Callable[[int], object]  # called with how many trials finished just now


def run_gauntlet(
    policy: PolicyFile,
    protocol: GauntletProtocol,
    run: GauntletRun,
    progress: Progress = lambda count: None,
) -> SuiteResult:
    """Runs the trials; an interruption keeps those that have finished.

    Args:
        policy: the policy that drives.
        protocol: what the trials are made of.
        run: which of them.
        progress: called as trials finish.

    Raises:
        UserError: there is no gauntlet for this robot, or the engine cannot simulate it.
    """
    finished: dict[int, TrialResult] = {}
    notes: list[str] = []
    interrupted = False
    for tried in range(1, _TRIES + 1):
        left = [trial for trial in run.trials if trial not in finished]
        if not left:
            break
        try:
            _run(policy, protocol, run, left, finished, progress)
        except KeyboardInterrupt:
            interrupted = True
            notes.append(
                f"interrupted: {len(finished)} of {len(run.trials)} trials had finished; falls end "
                "a trial early, so the share of completed ones is too low"
            )
            break
        except WorkerDiedError as error:
            lost = _listed([trial for trial in run.trials if trial not in finished])
            end = f"reran {lost}" if tried < _TRIES else f"gave up, without {lost}"
            notes.append(f"{str(error).partition(';')[0]}: {end}")
    return replace(
        not_started(policy, protocol, run),
        trials=tuple(finished[trial] for trial in sorted(finished)),
        note="; ".join(notes),
        interrupted=interrupted,
    )


def not_started(policy: PolicyFile, protocol: GauntletProtocol, run: GauntletRun) -> SuiteResult:
    """Returns the result of trials that were not run, because the user interrupted before."""
    return SuiteResult(
        suite=protocol.suite,
        policy=policy.source,
        task=policy.task.name,
        engine=run.engine,
        trials=(),
        note="not begun, for the evaluation was interrupted",
        seed=run.seed,
        planned=len(run.trials),
        source=protocol.source,
        interrupted=True,
        estimates=run.estimates,
    )


def figures_of(
    policy: PolicyFile, protocol: GauntletProtocol, engine: str = MUJOCO
) -> tuple[str, ...]:
    """Returns the names of all that the gauntlet of this policy's robot measures in that engine.

    Raises:
        UserError: see `run_gauntlet`.
    """
    env = make_trials(policy, protocol, GauntletRun([], engine=engine, threads=1), [], 1)
    try:
        return (*TRIAL_FIGURES, *env.outcomes, SURVIVAL, *env.measures.names)
    finally:
        env.close()


def make_trials(
    policy: PolicyFile,
    protocol: GauntletProtocol,
    run: GauntletRun,
    trials: Iterable[int],
    rows: int,
) -> TrialEnv:
    """Makes the environment that runs these trials.

    Raises:
        UserError: see `run_gauntlet`.
    """
    task = policy.task
    if not task.gauntlet:
        raise UserError(
            f"there is no gauntlet for {task.name}; set its config's 'gauntlet' to one of "
            f"{', '.join(GAUNTLETS)}, or to one of your own (docs/guides/add-a-task.md says how)"
        )
    numbers = protocol.numbers(task.gauntlet)
    env = GAUNTLETS.find(task.gauntlet)(task, numbers, run, trials, rows)
    policy.drive(env)
    return env


def _run(
    policy: PolicyFile,
    protocol: GauntletProtocol,
    run: GauntletRun,
    trials: Sequence[int],
    finished: dict[int, TrialResult],
    progress: Progress,
) -> None:
    """Runs trials until all have finished; if it is ended before, `finished` holds the others."""
    rows = min(run.rows, len(trials))
    env = make_trials(policy, protocol, run, trials, rows)
    try:
        # The file as a robot runs it, row by row: a matrix product over all rows at once gives
        # each row bits that depend on how many there are.
        act = Policy(policy.model, policy.source)
        observations = env.begin()
        actions = np.zeros((rows, len(policy.contract.actuators)), np.float32)
        while env.running:
            for row in range(rows):
                actions[row] = act(observations[row : row + 1])[0]
            observations, *_ = env.step(actions)
            if env.finished:
                finished.update({result.trial: result for result in env.finished})
                progress(len(env.finished))
                env.finished.clear()
    finally:
        env.close()


def _listed(trials: Sequence[int]) -> str:
    shown = ", ".join(str(trial) for trial in trials[:8])
    more = f" and {len(trials) - 8} more" if len(trials) > 8 else ""
    return f"trial{'s' * (len(trials) > 1)} {shown}{more}"
