"""Describes a robot's links in many poses, in the frame of its base, for any engine."""

from dataclasses import dataclass

import numpy as np

from edge_runtime.signals import Float


@dataclass(frozen=True)
class BodyFrames:
    """Holds named frames: origins (P, L, 3) m and rotation matrices (P, L, 3, 3)."""

    names: tuple[str, ...]
    position: Float
    rotation: Float

    def seen_from(self, position: Float, rotation: Float) -> "BodyFrames":
        """Returns the same in a frame at (P, 3), rotated by (P, 3, 3)."""
        apart = self.position - position[:, None]
        return BodyFrames(
            self.names,
            np.einsum("pji,plj->pli", rotation, apart),
            np.einsum("pji,pljk->plik", rotation, self.rotation),
        )


@dataclass(frozen=True)
class Masses:
    """Holds masses: principal axes at each centre of mass, and mass and moments along them."""

    axes: BodyFrames
    mass: Float  # (L,) kg
    moments: Float  # (L, 3) kg m²

    def centre(self) -> Float:
        """Returns the centre of mass of all, (P, 3) m."""
        return np.einsum("l,pli->pi", self.mass, self.axes.position) / self.mass.sum()

    def inertia(self) -> Float:
        """Returns the inertia of all about the origin, (P, 3, 3) kg m²."""
        rotation, at = self.axes.rotation, self.axes.position
        own = np.einsum("plij,lj,plkj->pik", rotation, self.moments, rotation)
        square = np.einsum("l,pli,pli->p", self.mass, at, at)
        return (
            own + square[:, None, None] * np.eye(3) - np.einsum("l,pli,plj->pij", self.mass, at, at)
        )
