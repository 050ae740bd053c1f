"""Describes patches of ground, each of one kind and difficulty, and their height anywhere.

All consist of boxes: a flat sole on a box has the same few contact points in any engine, at little
cost, while a height field has many, and others in each engine. At its border a patch is level with
the plane around it, or ends in a step no higher than its own.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_runtime.signals import Float

REACH = 24.0  # m from the centre to the border of a patch, farther than a robot walks
DEPTH = 0.1  # m, depth of a box below the lowest ground


@dataclass(frozen=True)
class Box:
    """Describes a box in its patch's frame, rotated first about y, then about z."""

    centre: tuple[float, float, float]  # m
    half: tuple[float, float, float]  # m
    pitch: float = 0.0  # rad
    yaw: float = 0.0


class Patch(Protocol):
    """Describes the ground around an origin."""

    def boxes(self) -> list[Box]:
        """Returns the boxes of which it consists."""
        ...

    def height(self, x: Float, y: Float) -> Float:
        """Returns the ground's height above the plane at the places x, y (...), m (...)."""
        ...


@dataclass(frozen=True)
class Flat:
    """Builds flat ground: the plane alone."""

    def boxes(self) -> list[Box]:
        return []

    def height(self, x: Float, y: Float) -> Float:
        return np.zeros_like(x)


@dataclass(frozen=True)
class Slopes:
    """Builds ridges and valleys across x, which a robot climbs, descends, and walks along."""

    angle: float  # rad
    run: float = 3.0  # m from a valley to a ridge

    def boxes(self) -> list[Box]:
        rise, slant = self.run * math.tan(self.angle), self.run / math.cos(self.angle)
        boxes = []
        for k in range(round(2 * REACH / self.run)):
            pitch = -self.angle if k % 2 == 0 else self.angle  # about y: positive slopes down
            x, z = -REACH + (k + 0.5) * self.run, rise / 2
            below = (x - DEPTH * math.sin(pitch), 0.0, z - DEPTH * math.cos(pitch))
            boxes.append(Box(below, (slant / 2, REACH, DEPTH), pitch=pitch))
        return boxes

    def height(self, x: Float, y: Float) -> Float:
        inside = (np.abs(x) <= REACH) & (np.abs(y) <= REACH)
        from_valley = np.mod(x + REACH, 2 * self.run)
        along = np.minimum(from_valley, 2 * self.run - from_valley)
        return np.where(inside, math.tan(self.angle) * along, 0.0)


@dataclass(frozen=True)
class Steps:
    """Builds stairs across x: a few steps up and as many down, repeated."""

    rise: float  # m, of each step
    tread: float = 0.6  # m
    count: int = 5  # steps up

    def boxes(self) -> list[Box]:
        boxes = []
        for k in range(round(2 * REACH / self._period)):
            x = -REACH + (k + 0.5) * self._period
            for step in range(1, self.count + 1):
                top = step * self.rise
                half = (self._half_length(step), REACH, (top + DEPTH) / 2)
                boxes.append(Box((x, 0.0, (top - DEPTH) / 2), half))
        return boxes

    def height(self, x: Float, y: Float) -> Float:
        inside = (np.abs(x) <= REACH) & (np.abs(y) <= REACH)
        from_top = np.abs(np.mod(x + REACH, self._period) - self._period / 2)
        steps = sum(from_top <= self._half_length(k) for k in range(1, self.count + 1))
        return np.where(inside, self.rise * steps, 0.0)

    @property
    def _period(self) -> float:
        return 2 * self.count * self.tread

    def _half_length(self, step: int) -> float:
        """Returns half the length of the box under a step, from the middle of the stairs, m."""
        return (self.count - step + 0.5) * self.tread


class Rough:
    """Builds flat stones of random size, height and direction, some on top of others.

    Args:
        height: height of the highest stone, m.
        rng: draws the stones.
    """

    REACH = 8.0  # m, shorter than other patches', whose border has but a small step
    COUNT = 150  # each box costs each physics step of each simulation 20 ns
    CELL = 0.03  # m, of the map of heights

    def __init__(self, height: float, rng: np.random.Generator) -> None:
        count, reach = self.COUNT, self.REACH
        xy = rng.uniform(-reach, reach, (count, 2))
        half = rng.uniform(0.2, 0.6, (count, 2))
        top = rng.uniform(0.2, 1.0, count) * height
        yaw = rng.uniform(0.0, math.pi, count)
        self._stones = [
            Box((x, y, (z - DEPTH) / 2), (a, b, (z + DEPTH) / 2), yaw=angle)
            for (x, y), (a, b), z, angle in zip(
                xy.tolist(), half.tolist(), top.tolist(), yaw.tolist()
            )
        ]
        self._map = np.zeros((2 * round((reach + 1.0) / self.CELL),) * 2)
        for stone in self._stones:
            self._lay(stone)

    def boxes(self) -> list[Box]:
        return self._stones

    def height(self, x: Float, y: Float) -> Float:
        size = len(self._map)
        i, j = (np.floor(v / self.CELL).astype(np.intp) + size // 2 for v in (x, y))
        inside = (i >= 0) & (i < size) & (j >= 0) & (j < size)
        return np.where(inside, self._map[i.clip(0, size - 1), j.clip(0, size - 1)], 0.0)

    def _lay(self, stone: Box) -> None:
        """Raises the map of heights where the stone is higher."""
        (x, y, z), (a, b, c) = stone.centre, stone.half
        corner, middle = math.hypot(a, b), len(self._map) // 2
        first, last = (
            [max(round((v + side * corner) / self.CELL) + middle, 0) for v in (x, y)]
            for side in (-1.0, 1.0)
        )
        window = self._map[first[0] : last[0] + 1, first[1] : last[1] + 1]
        at = [
            (np.arange(n) + start - middle + 0.5) * self.CELL - v
            for n, start, v in zip(window.shape, first, (x, y))
        ]
        dx, dy = np.meshgrid(*at, indexing="ij")
        cosine, sine = math.cos(stone.yaw), math.sin(stone.yaw)
        inside = (np.abs(cosine * dx + sine * dy) <= a) & (np.abs(cosine * dy - sine * dx) <= b)
        np.maximum(window, np.where(inside, z + c, 0.0), out=window)
