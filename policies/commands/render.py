"""Runs `sim2edge render`: films a policy or a recorded run, with its commands and what the robot
does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.progress import track

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.files import check_output
from edge_runtime.signals import Array
from policies.evaluation.episodes import make_world, unseen_seed
from policies.export.policy_file import PolicyFile
from policies.film.caption import Caption
from policies.film.film_file import MOST_FRAMES_PER_SECOND, write_film
from policies.film.recorded_motion import read_motion, replay
from sim.envs.vector_env import TaskVectorEnv
from sim.renderer import Picture, Renderer
from sim.tasks.task import Task


@dataclass(frozen=True)
class RenderConfig:
    """Film a policy as MP4."""

    policy: Path
    """A policy file, or a run folder."""
    output: Path = Path("out.mp4")
    """The film."""
    recording: Path | None = None
    """Film this motion, which 'sim2edge run --record' wrote, instead of letting the policy act."""
    seconds: float = setting(10.0, unit="s", above=0)
    """Length of the film; of a recording, its beginning."""
    camera: str = ""
    """follow, beside, behind, ahead, above, or one of the robot's own; by default the task's."""
    command: tuple[float, ...] | None = None
    """What the operator asks for all the time, such as 0.8 0 0; by default as in training."""
    seed: int = setting(0, at_least=0)
    """Seed of everything random; for a recording, that of its run."""
    randomize: bool = False
    """Simulate noise, randomization and pushes."""
    contacts: bool = False
    """Draw contact points and forces."""
    captions: bool = True
    """Write time, command and what the robot does into the picture."""
    width: int = setting(960, "Width of the film.", "pixels", at_least=64)
    height: int = setting(540, "Height of the film.", "pixels", at_least=64)


def main(config: RenderConfig) -> int:
    """Runs the command.

    Raises:
        UserError: there is no such policy, recording or camera, or this machine cannot draw.
    """
    _check(config)
    check_output(config.output)
    policy = PolicyFile.find(config.policy)
    period = policy.task.control_period
    steps = round(config.seconds / period)
    if config.recording is None:
        command = None if config.command is None else policy.contract.command_values(config.command)
        seconds = config.seconds + 1.0  # so that no time limit ends the episode
        env: TaskVectorEnv = make_world(
            policy.task, 1, seconds, config.seed, randomize=config.randomize
        )
        policy.check(env.contract())
        moments = _perform(config, policy, env, command)
    else:
        env = TaskVectorEnv(policy.task.nominal(), 1, seed=config.seed)
        recording = read_motion(config.recording, env)
        moments, steps = replay(recording, env), min(steps, len(recording.qpos))
    renderer = Renderer(env, config.width, config.height, config.camera, contacts=config.contacts)
    caption = Caption(policy.contract.commands, period, config.height) if config.captions else None
    stride = max(1, round(1 / (MOST_FRAMES_PER_SECOND * period)))
    rate = round(1.0 / (stride * period))
    film = _frames(
        track(islice(moments, steps), "filming", steps, transient=True), renderer, caption, stride
    )
    try:
        write_film(config.output, film, rate, (config.width, config.height))
    finally:
        renderer.close()
    print(f"{config.output}: {steps * period:g} s of {policy.task.name} at {rate} frames/s")
    return 0


def _perform(
    config: RenderConfig, policy: PolicyFile, env: TaskVectorEnv, command: Array | None
) -> Iterator[Task]:
    """Lets the policy act, and yields the task after each control period."""
    act = policy.actor(1)
    if command is not None:
        env.operator = command
    observation, _ = env.reset(seed=unseen_seed(config.seed))
    for _ in range(round(config.seconds / env.config.control_period)):
        observation, *_ = env.step(act(observation))
        yield env.task


def _frames(
    moments: Iterable[Task], renderer: Renderer, caption: Caption | None, stride: int
) -> Iterator[Picture]:
    """Yields a picture of every stride-th moment."""
    for step, task in enumerate(moments):
        if caption is not None:
            caption.watch(task)
        if step % stride == 0:
            picture = renderer.frame(skipped=stride - 1)
            yield picture if caption is None else caption.write(picture)


def _check(config: RenderConfig) -> None:
    if config.recording is not None and (config.command is not None or config.randomize):
        raise UserError("--command and --randomize change nothing in a --recording; leave them out")
