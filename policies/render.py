"""`sim2edge render`: a policy or a recorded run on film, with what it was told and does."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from rich.progress import track

from edge_runtime.contract import Command
from edge_runtime.errors import UserError
from policies.caption import Caption
from policies.evaluate import make_world, unseen_seed
from policies.policy_file import PolicyFile
from sim.engines.mujoco_cpu import Float
from sim.render import Picture, Renderer
from sim.task import Task
from sim.vector_env import TaskVectorEnv

MOST_FRAMES_PER_SECOND = 30


@dataclass(frozen=True)
class RenderConfig:
    """Film a policy as MP4."""

    policy: Path
    """A policy file, or a run folder."""
    output: Path = Path("out.mp4")
    """The film."""
    recording: Path | None = None
    """Film this motion, which 'sim2edge run --record' wrote, instead of letting the policy act."""
    seconds: float = 10.0
    """Its length; of a recording, its beginning."""
    camera: str = ""
    """follow, beside, behind, ahead, above, or one of the robot's own; by default the task's."""
    command: tuple[float, ...] | None = None
    """What the operator asks for all the time, such as 0.8 0 0; by default as in training."""
    seed: int = 0
    """Of everything random; for a recording, that of its run."""
    randomize: bool = False
    """With noise, randomization and pushes."""
    contacts: bool = False
    """Draw contact points and forces."""
    captions: bool = True
    """Write time, command and what the robot does into the picture."""
    width: int = 960
    """Pixels."""
    height: int = 540
    """Pixels."""


def main(config: RenderConfig) -> int:
    """Run the command.

    Raises:
        UserError: there is no such policy, recording or camera, or this machine cannot draw.
    """
    _check(config)
    policy = PolicyFile.find(config.policy)
    period = policy.task.control_period
    steps = round(config.seconds / period)
    if config.recording is None:
        _check_command(config.command, policy.contract.commands)
        seconds = config.seconds + 1.0  # so that no time limit ends the episode
        env = make_world(policy.task, 1, seconds, config.seed, randomize=config.randomize)
        policy.check(env.contract())
        moments = _perform(config, policy, env)
    else:
        env = TaskVectorEnv(policy.task.nominal(), 1, seed=config.seed)
        motion = read_motion(config.recording, env)[:steps]
        moments, steps = _replay(motion, env), len(motion)
    renderer = Renderer(env, config.width, config.height, config.camera, contacts=config.contacts)
    caption = Caption(policy.contract.commands, period, config.height) if config.captions else None
    stride = max(1, round(1 / (MOST_FRAMES_PER_SECOND * period)))
    rate = round(1.0 / (stride * period))
    film = _frames(track(moments, "filming", steps, transient=True), renderer, caption, stride)
    try:
        write_film(config.output, film, rate, (config.width, config.height))
    finally:
        renderer.close()
    print(f"{config.output}: {steps * period:g} s of {policy.task.name} at {rate} frames/s")
    return 0


def read_motion(path: Path, env: TaskVectorEnv) -> Float:
    """What `sim2edge run --record` wrote: positions after each control period, (T, nq).

    Raises:
        UserError: it is not a recording of that world's robot.
    """
    robot, size = env.config.robot.name, env.engine.model.nq
    if not path.is_file():
        raise UserError(f"{path} does not exist; 'sim2edge run POLICY --record {path}' makes it")
    try:
        motion = np.asarray(np.load(path)["qpos"], np.float64)
    except Exception:  # numpy, zipfile and zlib each have their own
        raise UserError(f"{path} is damaged or no recording of 'sim2edge run --record'") from None
    if motion.ndim != 2 or not len(motion):
        raise UserError(f"{path} holds no motion; record for longer")
    if motion.shape[1] != size or not np.isfinite(motion).all():
        raise UserError(f"{path} is no recording of {robot}, which moves in {size} coordinates")
    return motion


def write_film(path: Path, frames: Iterator[Picture], rate: float, size: tuple[int, int]) -> None:
    """Write an H.264 film; it appears only once it is whole.

    Args:
        path: where, ending in .mp4.
        frames: pictures (H, W, 3).
        rate: frames per second.
        size: width and height of the frames; odd ones lose a line.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{os.getpid()}.{path.name}")
    size = (size[0] // 2 * 2, size[1] // 2 * 2)  # H.264 halves the colour's resolution
    try:
        writer = imageio_ffmpeg.write_frames(
            str(building), size, fps=round(rate), quality=8, macro_block_size=2
        )
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame[: size[1], : size[0]]))
        writer.close()
        os.replace(building, path)
    finally:
        building.unlink(missing_ok=True)


def _perform(config: RenderConfig, policy: PolicyFile, env: TaskVectorEnv) -> Iterator[Task | None]:
    """Let the policy act; gives the task after each control period."""
    act = policy.actor(1)
    if config.command is not None:
        env.operator = np.array(config.command, np.float32)
    observation, _ = env.reset(seed=unseen_seed(config.seed))
    for _ in range(round(config.seconds / env.config.control_period)):
        observation, *_ = env.step(act(observation))
        yield env.task


def _replay(motion: Float, env: TaskVectorEnv) -> Iterator[Task | None]:
    """Put the robot where it was after each control period; what it was told is not known."""
    for qpos in motion:
        env.engine.qpos[0] = qpos
        yield None


def _frames(
    moments: Iterable[Task | None], renderer: Renderer, caption: Caption | None, stride: int
) -> Iterator[Picture]:
    """A picture of every stride-th moment."""
    for step, task in enumerate(moments):
        if caption is not None:
            caption.watch(task)
        if step % stride == 0:
            picture = renderer.frame(skipped=stride - 1)
            yield picture if caption is None else caption.write(picture)


def _check(config: RenderConfig) -> None:
    if not 0 < config.seconds < np.inf or min(config.width, config.height) < 64:
        raise UserError("--seconds must be positive, --width and --height at least 64")
    if config.seed < 0:
        raise UserError("--seed must not be negative")
    if config.recording is not None and (config.command is not None or config.randomize):
        raise UserError("--command and --randomize change nothing in a --recording; leave them out")


def _check_command(command: Sequence[float] | None, known: Sequence[Command]) -> None:
    if command is None or len(command) == len(known):
        return
    names = ", ".join(c.name for c in known) or "none"
    raise UserError(f"--command has {len(command)} values, the policy takes {len(known)}: {names}")
