"""Writes below a film the time, what was asked for, what the robot does, and what happens to it."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge_runtime.policy.contract import Command
from edge_runtime.signals import COMMAND, Float
from sim.renderer import Picture
from sim.tasks.task import Task

SMOOTHING = 0.5  # s; a pelvis sways with each step, and numbers that flicker cannot be read
MARKED = 2.0  # s that the film says that an episode began anew
_SMALLEST = 10.0  # px, height of the letters
_MOST = 1 / 3  # of a film's height, for its caption
PAPER, _INK, _ALARM = (18, 23, 32), (232, 237, 245), (255, 162, 104)


class Caption:
    """Draws a strip below the pictures of a robot, so that no writing ever covers it.

    The strip has the same height in all pictures of a film: the picture above it has
    `height - caption.height` lines.

    Args:
        commands: what the policy can be asked for.
        period: s, of the control loop.
        width: the width of the film, pixels.
        height: the height of the film, pixels.
        title: which policy or simulation is seen, where there are several.
        lines: how many lines the task's overlay has.
        events: rows for what happens.
        letters: size of the letters, times the usual.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        period: float,
        width: int,
        height: int,
        *,
        title: str = "",
        lines: int = 0,
        events: int = 1,
        letters: float = 1.0,
    ) -> None:
        self._commands, self._period = commands, period
        self._share = 1.0 - np.exp(-period / SMOOTHING)
        self._title, self._width = title, width
        size = letters * max(height / 32, _SMALLEST)
        self._font = ImageFont.load_default(size=size)
        self._line, self._margin = math.ceil(1.35 * size), math.ceil(0.6 * size)
        samples = [_motion(c, -88.88, -88.88) for c in commands]
        samples += ["lap 10, 100 %"] * bool(lines)
        self._cell = max([0.0, *map(self._font.getlength, samples)]) + 1.2 * size
        # A title has a row of its own, unless there is room beside it.
        self._head = self._font.getlength(f"{title} 100.0 s") + 2.0 * size
        self._alone = bool(title and samples)
        self._left = self._margin + (0 if self._alone else self._head)
        self._columns = max(1, int((width - self._left) / self._cell))
        rows = math.ceil((len(commands) + lines) / self._columns)
        rows = rows + 1 if self._alone else max(1, rows)
        room = max(2, int((_MOST * height - 2 * self._margin) / self._line))
        self._rows = min(rows, room - 1)
        self._events = min(events, room - self._rows)
        self.height = (self._rows + self._events) * self._line + 2 * self._margin
        self.seconds = -period
        """Time of the film."""
        self._motion: Float | None = None  # smoothed, as `commands`
        self._moving: list[str] = []
        self._mark, self._marked_until = "", -math.inf
        self.happening: list[str] = []
        """What happens now, in words."""
        self.verdict = ""
        """Why it ended, which takes the place of what happens."""

    def watch(self, task: Task, row: int = 0) -> None:
        """Notes what happened to one robot in one control period."""
        self.seconds += self._period
        motion = self._smooth(task.commanded_motion(row))
        self._moving = [
            _motion(c, value, asked)
            for c, value, asked in zip(self._commands, motion, task.signals[COMMAND][row])
        ]
        self._moving += task.overlay(row)

    def mark(self, what: str) -> None:
        """Says for `MARKED` seconds that the episode ended just now, and that another began."""
        self._mark = f"{what} at {max(self.seconds, 0.0):.1f} s; a new episode begins"
        self._marked_until = self.seconds + MARKED
        self._motion = None

    @property
    def lines(self) -> list[str]:
        """Returns the lines of the caption."""
        return [self._begins, *self._moving, *self._happened]

    @property
    def _begins(self) -> str:
        return f"{self._title} {max(self.seconds, 0.0):.1f} s".strip()

    @property
    def _happened(self) -> list[str]:
        if self.verdict:
            return [self.verdict]
        marked = [self._mark] if self.seconds <= self._marked_until else []
        return [*marked, *self.happening]

    def write(self, picture: Picture) -> Picture:
        """Returns the picture with its caption below, (H + height, W, 3)."""
        strip = Image.new("RGB", (picture.shape[1], self.height), PAPER)
        draw = ImageDraw.Draw(strip)
        draw.text((self._margin, self._margin), self._begins, font=self._font, fill=_INK)
        room = (self._rows - self._alone) * self._columns
        for k, text in enumerate(self._moving[:room]):
            row, column = divmod(k, self._columns)
            at = (self._left + column * self._cell, self._margin + (row + self._alone) * self._line)
            draw.text(at, text, font=self._font, fill=_INK)
        alarm = bool(self.verdict) or self.seconds <= self._marked_until
        for k, text in enumerate(self._wrapped(" · ".join(self._happened))):
            at = (self._margin, self._margin + (self._rows + k) * self._line)
            draw.text(at, text, font=self._font, fill=_ALARM if alarm else _INK)
        return np.vstack([picture, np.asarray(strip)])

    def _wrapped(self, text: str) -> list[str]:
        """Returns the text in as many rows as there are; what is too much becomes an ellipsis."""
        room, rows = self._width - 2 * self._margin, [""]
        for word in text.split():
            longer = f"{rows[-1]} {word}".strip()
            if self._font.getlength(longer) <= room or not rows[-1]:
                rows[-1] = longer
            else:
                rows.append(word)
        shown = rows[: self._events]
        if len(rows) > len(shown) and shown:
            while self._font.getlength(f"{shown[-1]}…") > room:
                shown[-1] = shown[-1][:-1]
            shown[-1] += "…"
        return shown

    def _smooth(self, now: Float) -> Float:
        before = now if self._motion is None else self._motion
        after: Float = before + self._share * (now - before)
        self._motion = after
        return after


def _motion(command: Command, value: float, asked: float) -> str:
    name = command.name.replace("_", " ")
    return f"{name} {signed(value)} of {signed(asked)} {command.unit}"


def signed(value: float) -> str:
    """Returns a value with its sign and two decimals, and no minus before a zero."""
    return f"{round(float(value), 2) + 0.0:+.2f}"
