"""`sim2edge render`: a policy on film, with what it was told and what it touches drawn in."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.progress import track

from edge_runtime.contract import Command
from edge_runtime.errors import UserError
from edge_runtime.signal import COMMAND
from policies.policy_file import PolicyFile
from sim.render import Picture, Renderer
from sim.vector_env import TaskVectorEnv

MOST_FRAMES_PER_SECOND = 30


@dataclass(frozen=True)
class RenderConfig:
    """Film a policy as MP4."""

    policy: Path
    """A policy file, or a run folder."""
    output: Path = Path("out.mp4")
    """The film."""
    seconds: float = 10.0
    """Its length."""
    camera: str = ""
    """follow, beside, behind, ahead, above, or one of the robot's own; by default the task's."""
    command: tuple[float, ...] | None = None
    """What the operator asks for all the time, such as 0.8 0 0; by default as in training."""
    seed: int = 0
    """Of everything random."""
    randomize: bool = False
    """With noise, randomization and pushes."""
    contacts: bool = False
    """Draw contact points and forces."""
    captions: bool = True
    """Write command, metrics and time into the picture."""
    width: int = 960
    """Pixels."""
    height: int = 540
    """Pixels."""


def main(config: RenderConfig) -> int:
    """Run the command.

    Raises:
        UserError: there is no such policy or camera, or this machine cannot draw.
    """
    if config.seconds <= 0 or min(config.width, config.height) < 64:
        raise UserError("--seconds must be positive, --width and --height at least 64")
    policy = PolicyFile.find(config.policy)
    _check_command(config.command, policy.contract.commands)
    task = replace(policy.task.unseen(config.seed), episode_seconds=config.seconds + 1.0)
    env = TaskVectorEnv(task if config.randomize else task.nominal(), 1, seed=config.seed)
    policy.check(env.contract())
    renderer = Renderer(env, config.width, config.height, config.camera, contacts=config.contacts)
    stride = max(1, round(1 / (MOST_FRAMES_PER_SECOND * task.control_period)))
    rate = round(1.0 / (stride * task.control_period))
    film = _frames(config, policy, env, renderer, stride)
    try:
        write_film(config.output, film, rate, (config.width, config.height))
    finally:
        renderer.close()
    print(f"{config.output}: {config.seconds:g} s of {task.name} at {rate} frames/s")
    return 0


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


def _frames(
    config: RenderConfig,
    policy: PolicyFile,
    env: TaskVectorEnv,
    renderer: Renderer,
    stride: int,
) -> Iterator[Picture]:
    act = policy.actor(1)
    if config.command is not None:
        env.operator = np.array(config.command, np.float32)
    observation, _ = env.reset(seed=config.seed)
    steps = round(config.seconds / env.config.control_period)
    caption = Caption(policy.contract.commands, config.height)
    for step in track(range(steps), "filming", transient=True):
        observation, *_ = env.step(act(observation))
        if step % stride == 0:
            picture = renderer.frame(skipped=stride - 1)
            if config.captions:
                picture = caption.write(picture, step * env.config.control_period, env)
            yield picture


class Caption:
    """What stands in the picture: time, command, and the metrics of the moment."""

    def __init__(self, commands: Sequence[Command], height: int) -> None:
        self._commands = commands
        self._font = ImageFont.load_default(size=height / 27)
        self._margin = height // 36

    def write(self, picture: Picture, seconds: float, env: TaskVectorEnv) -> Picture:
        """The picture with its caption."""
        command = env.signals[COMMAND][0]
        lines = [f"{seconds:5.1f} s"]
        lines += [
            f"{c.name.replace('_', ' ')} {value:+.2f} {c.unit}"
            for c, value in zip(self._commands, command, strict=True)
        ]
        image = Image.fromarray(picture).convert("RGBA")
        panel = Image.new("RGBA", image.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(panel)
        text, at = "\n".join(lines), (2 * self._margin, 2 * self._margin)
        left, top, right, bottom = draw.multiline_textbbox(at, text, font=self._font)
        edge = self._margin * 0.8
        box = (left - edge, top - edge, right + edge, bottom + edge)
        draw.rounded_rectangle(box, radius=edge, fill=(12, 16, 24, 150))
        draw.multiline_text(at, text, font=self._font, fill=(240, 244, 250, 255))
        return np.asarray(Image.alpha_composite(image, panel).convert("RGB"))


def _check_command(command: Sequence[float] | None, known: Sequence[Command]) -> None:
    if command is None or len(command) == len(known):
        return
    names = ", ".join(c.name for c in known) or "none"
    raise UserError(f"--command has {len(command)} values, the policy takes {len(known)}: {names}")
