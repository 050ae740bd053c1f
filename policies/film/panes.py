"""Films several robots at once: each in a pane of its own, with its caption."""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Bool
from policies.film.caption import PAPER, Caption
from sim.envs.vector_env import TaskVectorEnv
from sim.renderer import Picture, Renderer

_SMALLEST = 24  # pixels, of a picture's width and height


@dataclass(frozen=True)
class Ended:
    """Says which episodes ended in a control period, (N,); new ones have begun since."""

    failed: Bool
    over: Bool  # because their time was up


@dataclass(frozen=True)
class Scene:
    """Holds simulations to film, and what lets a control period pass in them at each step."""

    env: TaskVectorEnv
    moments: Iterator[Ended]
    title: str = ""


@dataclass(frozen=True)
class Look:
    """Sets what a film looks like."""

    width: int  # pixels, of all panes together
    height: int
    camera: str = ""  # by default the task's
    contacts: bool = False
    captions: bool = True


def frames(
    scenes: Sequence[Scene], look: Look, steps: int, stride: int
) -> Generator[Picture, None, None]:
    """Yields a picture of every stride-th control period, with all simulations side by side.

    Args:
        scenes: what to film; all of the same control period.
        look: size and camera.
        steps: control periods.
        stride: control periods from one picture to the next.

    Raises:
        UserError: this machine cannot draw, there is no such camera, or the panes are too small.
    """
    count = sum(scene.env.num_envs for scene in scenes)
    columns = len(scenes) if len(scenes) > 1 else math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    size = (look.width // columns, look.height // rows)
    with ExitStack() as stack:
        panes = []
        for scene in scenes:
            for row in range(scene.env.num_envs):
                panes.append(stack.enter_context(closing(_Pane(scene, row, size, look))))
        blank = [np.full((size[1], size[0], 3), PAPER, np.uint8)] * (rows * columns - count)
        for step in range(steps):
            ended = {id(scene): next(scene.moments) for scene in scenes}
            for pane in panes:
                pane.watch(ended[id(pane.scene)])
            if step % stride == 0:
                pictures = [*(pane.picture(stride) for pane in panes), *blank]
                lines = [pictures[k : k + columns] for k in range(0, len(pictures), columns)]
                yield np.vstack([np.hstack(line) for line in lines])


class _Pane:
    """Draws one simulation."""

    def __init__(self, scene: Scene, row: int, size: tuple[int, int], look: Look) -> None:
        self.scene, self._row = scene, row
        env, (width, height) = scene.env, size
        alone = env.num_envs == 1
        self._caption: Caption | None = None
        if look.captions:
            self._caption = Caption(
                env.config.commands if alone else (),
                env.config.control_period,
                width,
                height,
                title=scene.title if alone else f"{row + 1}",
                lines=len(env.task.overlay(row)),
            )
            height -= self._caption.height
        if min(width, height) < _SMALLEST:
            raise UserError(
                f"a picture of {width} x {height} pixels is too small to see anything; film fewer "
                "robots, or take a larger --width and --height"
            )
        self._renderer = Renderer(env, width, height, look.camera, contacts=look.contacts)

    def watch(self, ended: Ended) -> None:
        if self._caption is None:
            return
        if ended.failed[self._row] or ended.over[self._row]:
            self._caption.mark("failed" if ended.failed[self._row] else "time was up")
        self._caption.watch(self.scene.env.task, self._row)

    def picture(self, stride: int) -> Picture:
        picture = self._renderer.frame(self._row, skipped=stride - 1)
        return picture if self._caption is None else self._caption.write(picture)

    def close(self) -> None:
        self._renderer.close()
