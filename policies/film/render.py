"""`sim2edge render`: a policy or a recorded run on film, with what it was told and does."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from rich.progress import track

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Command
from edge_runtime.signals import COMMAND
from policies.evaluation.episodes import make_world, unseen_seed
from policies.export.policy_file import PolicyFile
from policies.film.caption import Caption
from sim.engines.engine import Float
from sim.envs.vector_env import TaskVectorEnv
from sim.render import Picture, Renderer
from sim.tasks.task import Task

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
        env: TaskVectorEnv = make_world(
            policy.task, 1, seconds, config.seed, randomize=config.randomize
        )
        policy.check(env.contract())
        moments = _perform(config, policy, env)
    else:
        env = TaskVectorEnv(policy.task.nominal(), 1, seed=config.seed)
        recording = read_recording(config.recording, env)
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


@dataclass(frozen=True)
class Recording:
    """What `sim2edge run --record` wrote, after each of T control periods."""

    qpos: Float  # (T, nq)
    qvel: Float  # (T, nv)
    command: Float  # (C,), or (0,) for zeros


def read_recording(path: Path, env: TaskVectorEnv) -> Recording:
    """Read a recording of a robot in that world.

    Raises:
        UserError: it is none.
    """
    robot, model = env.config.robot.name, env.engine.model
    if not path.is_file():
        raise UserError(f"{path} does not exist; 'sim2edge run POLICY --record {path}' makes it")
    try:
        with np.load(path) as file:
            names = ("qpos", "qvel", "command")
            qpos, qvel, command = (np.asarray(file[name], np.float64) for name in names)
    except Exception:  # numpy, zipfile and zlib each have their own
        raise UserError(f"{path} is damaged or no recording of 'sim2edge run --record'") from None
    if not len(qpos):
        raise UserError(f"{path} holds no motion; record for longer")
    sizes = (qpos.shape[1:], qvel.shape, command.shape)
    wanted = ((model.nq,), (len(qpos), model.nv))
    if sizes[:2] != wanted or sizes[2] not in ((0,), (len(env.config.commands),)):
        raise UserError(f"{path} is no recording of {robot}, which moves in {model.nq} coordinates")
    if not all(np.isfinite(array).all() for array in (qpos, qvel, command)):
        raise UserError(f"{path} holds numbers that are not finite; record anew")
    return Recording(qpos, qvel, command)


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


def _perform(config: RenderConfig, policy: PolicyFile, env: TaskVectorEnv) -> Iterator[Task]:
    """Let the policy act; gives the task after each control period."""
    act = policy.actor(1)
    if config.command is not None:
        env.operator = np.array(config.command, np.float32)
    observation, _ = env.reset(seed=unseen_seed(config.seed))
    for _ in range(round(config.seconds / env.config.control_period)):
        observation, *_ = env.step(act(observation))
        yield env.task


def replay(recording: Recording, env: TaskVectorEnv) -> Iterator[Task]:
    """Put the robot where it was after each control period; gives the task then."""
    if len(recording.command):
        env.signals[COMMAND][:] = recording.command
    else:
        env.signals[COMMAND][:] = 0.0
    robot = np.zeros(1, np.intp)
    for qpos, qvel in zip(recording.qpos, recording.qvel):
        env.engine.reset(robot, qpos[None], qvel[None], constants_changed=False)
        env.task.sense(None)
        env.task.observe(None)
        yield env.task


def _frames(
    moments: Iterable[Task], renderer: Renderer, caption: Caption | None, stride: int
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
