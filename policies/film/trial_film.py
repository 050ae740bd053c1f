"""Films trials, run again to the same bits, with what happens and what went wrong written in."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.policy.inference import Policy
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.suite_result import TrialResult
from policies.film.caption import Caption
from policies.film.film_file import film_kind, frame_stride, write_film
from policies.film.small_film import LETTERS
from policies.gauntlet.gauntlet_suite import make_trials
from policies.gauntlet.protocol import GauntletProtocol
from policies.gauntlet.trial_env import GauntletRun, TrialEnv
from sim.renderer import Picture, Renderer

_STANDS = 1.0  # s that the last picture stays, to read why


@dataclass(frozen=True)
class FilmConfig:
    """Sets what a film of a trial looks like."""

    width: int = 640
    height: int = 480
    seconds: float = 10.0  # the trial's last ones


def film_trial(
    policy: PolicyFile,
    protocol: GauntletProtocol,
    run: GauntletRun,
    trial: TrialResult,
    path: Path,
    config: FilmConfig = FilmConfig(),
) -> Path:
    """Films the end of a trial as MP4.

    Args:
        policy: the policy that drove.
        protocol: what the trial was made of.
        run: the run that the trial was part of.
        trial: which one; its result.
        path: where, ending in .mp4.
        config: how.

    Returns:
        The path.

    Raises:
        UserError: this machine cannot draw.
    """
    env = make_trials(policy, protocol, replace(run, rows=1), [trial.trial], 1)
    try:
        period = env.config.control_period
        caption = Caption(
            env.config.commands,
            period,
            config.width,
            config.height,
            lines=len(env.task.overlay(0)),
            events=2,
            letters=LETTERS,
        )
        renderer = Renderer(env, config.width, config.height - caption.height)
        try:
            stride = frame_stride(film_kind(path), period)
            frames = _frames(policy, env, renderer, caption, trial, config.seconds, stride)
            write_film(path, frames, 1 / (stride * period))
        finally:
            renderer.close()
    finally:
        env.close()
    return path


def _frames(
    policy: PolicyFile,
    env: TrialEnv,
    renderer: Renderer,
    caption: Caption,
    trial: TrialResult,
    seconds: float,
    stride: int,
) -> Iterator[Picture]:
    act = Policy(policy.model, policy.source)
    observations = env.begin()
    period = env.config.control_period
    steps = round(trial.seconds / period)
    first = max(0, steps - round(seconds / period))
    picture: Picture | None = None
    for step in range(steps - 1):  # with the last one, the row begins anew
        observations, *_ = env.step(act(observations))
        caption.watch(env.task)
        caption.seconds, caption.happening = float(env.time[0]), env.happening(0)
        if step >= first and (step - first) % stride == 0:
            picture = renderer.frame(skipped=stride - 1)
            yield caption.write(picture)
    if picture is not None:
        caption.verdict = trial.why
        last = caption.write(picture)
        yield from [last] * round(_STANDS / (stride * period))
