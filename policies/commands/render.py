"""Runs `sim2edge render`: films a policy or a recorded run, with its commands and what the robot
does."""

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.errors import UserError
from edge_runtime.files import check_output
from edge_runtime.signals import Array
from policies.evaluation.episodes import make_world, unseen_seed
from policies.evaluation.policy_file import PolicyFile
from policies.film.film_file import check_film, film_kind, frame_stride, write_film
from policies.film.panes import Ended, Look, Scene, frames
from policies.film.recorded_motion import read_motion, replay
from sim.envs.vector_env import TaskVectorEnv


@dataclass(frozen=True)
class RenderConfig:
    """Film a policy as MP4, GIF or WebP."""

    policy: tuple[Path, ...]
    """A policy file, a run folder, or the name of a policy that comes with sim2edge; of several,
    each acts in the same world, side by side."""
    output: Path = Path("out.mp4")
    """The film, which ends in .mp4, .gif or .webp."""
    recording: Path | None = None
    """Film this motion, which 'sim2edge run --record' wrote, instead of letting the policy act."""
    seconds: float = setting(10.0, unit="s", above=0, at_most=LONGEST)
    """Length of the film; of a recording, its beginning."""
    camera: str = ""
    """follow, beside, behind, ahead, above, or one of the robot's own; by default the task's."""
    command: tuple[float, ...] | None = None
    """What the operator asks for all the time, such as 0.8 0 0; by default as in training."""
    seed: int = setting(0, at_least=0)
    """Seed of everything random; for a recording, that of its run."""
    randomize: bool = False
    """Simulate noise, randomization and pushes."""
    sims: int = setting(1, at_least=1, at_most=256)
    """How many simulations to film at once, as a mosaic."""
    contacts: bool = False
    """Draw contact points and forces."""
    captions: bool = True
    """Write time, command and what the robot does below the picture."""
    width: int = setting(960, "Width of the film.", "pixels", at_least=64, at_most=8192)
    height: int = setting(540, "Height of the film.", "pixels", at_least=64, at_most=8192)


def main(config: RenderConfig) -> int:
    """Runs the command.

    Raises:
        UserError: there is no such policy, recording or camera, or this machine cannot draw.
    """
    _check(config)
    check_output(config.output)
    check_film(config.output)
    policies = [PolicyFile.find(path) for path in config.policy]
    period = policies[0].task.control_period
    steps = round(config.seconds / period)
    if steps < 1:
        raise UserError(
            f"--seconds {config.seconds:g} is too short for one picture, which takes {period:g} s"
        )
    if config.recording is None:
        scenes = [_scene(config, policy) for policy in policies]
    else:
        env = TaskVectorEnv(policies[0].task.nominal(), 1, seed=config.seed)
        recording = read_motion(config.recording, env)
        still = np.zeros(1, bool)
        scenes = [Scene(env, (Ended(still, still) for _ in replay(recording, env)))]
        steps = min(steps, len(recording.qpos))
    if any(scene.env.config.control_period != period for scene in scenes):
        raise UserError("these policies act at other rates; film them one by one")
    stride = frame_stride(film_kind(config.output), period)
    rate = 1 / (stride * period)
    look = Look(config.width, config.height, config.camera, config.contacts, config.captions)
    count = math.ceil(steps / stride)
    with closing(frames(scenes, look, steps, stride)) as film:
        write_film(config.output, iter(track(film, "filming", count, transient=True)), rate)
    tasks = " and ".join(dict.fromkeys(policy.task.name for policy in policies))
    print(f"{config.output}: {steps * period:g} s of {tasks} at {rate:.3g} frames/s")
    return 0


def _scene(config: RenderConfig, policy: PolicyFile) -> Scene:
    """Returns simulations in which the policy acts."""
    command = None if config.command is None else policy.contract.command_values(config.command)
    seconds = config.seconds + 1.0  # so that no time limit ends the episode
    env = make_world(policy.task, config.sims, seconds, config.seed, randomize=config.randomize)
    policy.drive(env)
    named = Path(policy.source)
    same = [path for path in config.policy if path.stem == named.stem]
    title = f"{named.parent.name}/{named.stem}" if len(same) > 1 else named.stem
    several = len(config.policy) > 1
    return Scene(env, _perform(config, policy, env, command), title if several else "")


def _perform(
    config: RenderConfig, policy: PolicyFile, env: TaskVectorEnv, command: Array | None
) -> Iterator[Ended]:
    """Lets the policy act, and yields which episodes ended in each control period."""
    act = policy.actor(env.num_envs)
    if command is not None:
        env.operator = command
    observation, _ = env.reset(seed=unseen_seed(config.seed))
    while True:
        observation, _, failed, over, _ = env.step(act(observation))
        yield Ended(failed, over)


def _check(config: RenderConfig) -> None:
    if not config.policy:
        raise UserError("'sim2edge render' needs POLICY: a policy file or a run folder")
    alone = len(config.policy) == 1
    if config.sims > 1 and not alone:
        raise UserError("--sims is for one policy; film the others one by one")
    if config.recording is not None and not (alone and config.sims == 1):
        raise UserError("a --recording is of one robot; give one policy, without --sims")
    if config.recording is not None and (config.command is not None or config.randomize):
        raise UserError("--command and --randomize change nothing in a --recording; leave them out")
