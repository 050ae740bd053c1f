"""Films trials, run again to the same bits, with what happens and what went wrong written in."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.policy.inference import Policy
from policies.evaluation.suite_result import TrialResult
from policies.export.policy_file import PolicyFile
from policies.film.caption import Caption
from policies.film.film_file import MOST_FRAMES_PER_SECOND, write_film
from policies.gauntlet.gauntlet_suite import make_trials
from policies.gauntlet.protocol import GauntletProtocol
from policies.gauntlet.trial_env import GauntletRun, TrialEnv
from sim.renderer import Picture, Renderer

_STANDS = 1.0  # s that the last picture stays, to read why


@dataclass(frozen=True)
class FilmConfig:
    """Sets what a film of a trial looks like."""

    width: int = 640
    height: int = 360
    seconds: float = 10.0  # the trial's last ones
    letters: float = 1.0  # times their usual size, for a film that is shown small


class TrialCaption(Caption):
    """Adds to the caption what the protocol does to the robot now, and at the end why it failed."""

    def __init__(self, env: TrialEnv, height: int) -> None:
        super().__init__(env.config.commands, env.config.control_period, height)
        self._env = env
        self.verdict = ""

    def look(self) -> None:
        """Notes what happened in one control period."""
        self.watch(self._env.task)
        self._seconds = float(self._env.time[0])
        self._lines = [*self._lines, *self._env.happening(0)]

    @property
    def lines(self) -> list[str]:
        """Returns the lines of the caption."""
        return [*super().lines, *([self.verdict] if self.verdict else [])]


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
        renderer = Renderer(env, config.width, config.height)
        try:
            period = env.config.control_period
            stride = max(1, round(1 / (MOST_FRAMES_PER_SECOND * period)))
            frames = _frames(policy, env, renderer, trial, config, stride)
            write_film(path, frames, 1 / (stride * period), (config.width, config.height))
        finally:
            renderer.close()
    finally:
        env.close()
    return path


def _frames(
    policy: PolicyFile,
    env: TrialEnv,
    renderer: Renderer,
    trial: TrialResult,
    config: FilmConfig,
    stride: int,
) -> Iterator[Picture]:
    act = Policy(policy.model, policy.source)
    caption = TrialCaption(env, round(config.letters * config.height))
    observations = env.begin()
    period = env.config.control_period
    steps = round(trial.seconds / period)
    first = max(0, steps - round(config.seconds / period))
    picture: Picture | None = None
    for step in range(steps - 1):  # with the last one, the row begins anew
        observations, *_ = env.step(act(observations))
        caption.look()
        if step >= first and (step - first) % stride == 0:
            picture = renderer.frame(skipped=stride - 1)
            yield caption.write(picture)
    if picture is not None:
        caption.verdict = trial.why
        last = caption.write(picture)
        for _ in range(round(_STANDS / (stride * period))):
            yield np.asarray(last)
