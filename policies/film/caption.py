"""Writes into a film the time, what was asked for, and what the robot does."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge_runtime.policy.contract import Command
from edge_runtime.signals import COMMAND, Float
from sim.renderer import Picture
from sim.tasks.task import Task

SMOOTHING = 0.5  # s; a pelvis sways with each step, and numbers that flicker cannot be read


class Caption:
    """Draws a panel into pictures of the first simulation of a batch.

    Args:
        commands: what the policy can be asked for.
        period: s, of the control loop.
        height: the pictures' height, pixels.
    """

    def __init__(self, commands: Sequence[Command], period: float, height: int) -> None:
        self._commands, self._period = commands, period
        self._share = 1.0 - np.exp(-period / SMOOTHING)
        self._font = ImageFont.load_default(size=height / 27)
        self._margin = height // 36
        self._seconds = -period
        self._motion: Float | None = None  # smoothed, as `commands`
        self._lines: list[str] = []

    def watch(self, task: Task) -> None:
        """Notes what happened in one control period."""
        self._seconds += self._period
        motion = self._smooth(task.commanded_motion(0))
        self._lines = [
            f"{c.name.replace('_', ' ')} {signed(value)} of {signed(asked)} {c.unit}"
            for c, value, asked in zip(self._commands, motion, task.signals[COMMAND][0])
        ]
        self._lines += task.overlay(0)

    def write(self, picture: Picture) -> Picture:
        """Returns the picture with its caption."""
        image = Image.fromarray(picture).convert("RGBA")
        panel = Image.new("RGBA", image.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(panel)
        room = image.width - 4 * self._margin
        rows = [row for line in self.lines for row in self._wrapped(line, room)]
        text, at = "\n".join(rows), (2 * self._margin, 2 * self._margin)
        left, top, right, bottom = draw.multiline_textbbox(at, text, font=self._font)
        edge = self._margin * 0.8
        box = (left - edge, top - edge, right + edge, bottom + edge)
        draw.rounded_rectangle(box, radius=edge, fill=(12, 16, 24, 150))
        draw.multiline_text(at, text, font=self._font, fill=(240, 244, 250, 255))
        return np.asarray(Image.alpha_composite(image, panel).convert("RGB"))

    @property
    def lines(self) -> list[str]:
        """Returns the lines of the caption."""
        return [f"{self._seconds:5.1f} s", *self._lines]

    def _wrapped(self, line: str, room: float) -> list[str]:
        """Returns the line in rows that fit into so many pixels, as far as its words do."""
        first, *words = line.split(" ")
        rows = [first]
        for word in words:
            longer = f"{rows[-1]} {word}"
            if self._font.getlength(longer) <= room:
                rows[-1] = longer
            else:
                rows.append(word)
        return rows

    def _smooth(self, now: Float) -> Float:
        before = now if self._motion is None else self._motion
        after: Float = before + self._share * (now - before)
        self._motion = after
        return after


def signed(value: float) -> str:
    """Returns a value with its sign and two decimals, and no minus before a zero."""
    return f"{round(float(value), 2) + 0.0:+.2f}"
