"""Draws for each simulation from its own generator, so that no trial depends on those beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence


class RowGenerator(Generator):
    """Looks like one generator to code that draws for many simulations at once.

    Of a draw with a leading axis over `rows`, each element comes from the generator of its own
    simulation. A draw without chance (a standard deviation of 0) takes nothing from anybody.

    Args:
        rows: N, how many simulations there are.
    """

    def __init__(self, rows: int) -> None:
        super().__init__(np.random.PCG64(0))
        self._own = [np.random.default_rng(row) for row in range(rows)]
        self.rows: Sequence[int] = range(rows)
        """The simulations that the next draws are for."""

    def seed(self, row: int, seed: SeedSequence) -> None:
        """Makes that simulation draw from here on as if it were alone with this seed."""
        self._own[row] = np.random.default_rng(seed)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Draws from [low, high), each row's values from its own generator."""
        return self._drawn("uniform", size, low, high)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Draws from normal distributions, each row's values from its own generator; nothing if
        `scale` is 0."""
        if not np.any(scale):
            return np.full(size, loc, np.float64)
        return self._drawn("normal", size, loc, scale)

    def standard_normal(self, size: Any = None, *arguments: Any, **options: Any) -> Any:
        """Draws from N(0, 1), each row's values from its own generator."""
        if arguments:  # its size comes first
            options["dtype"] = arguments[0]
        return self._drawn("standard_normal", size, **options)

    def integers(
        self, low: Any, high: Any = None, size: Any = None, *arguments: Any, **options: Any
    ) -> Any:
        """Draws whole numbers as `Generator.integers` does, each row's from its own generator."""
        return self._drawn("integers", size, low, high, *arguments, **options)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """Returns the first of each simulation's own permutation of the numbers below x,
        (rows,)."""
        return self.integers(x, size=len(self.rows))

    def _drawn(self, name: str, size: Any, *arguments: Any, **options: Any) -> Any:
        shape = (size,) if isinstance(size, (int, np.integer)) else tuple(size or ())
        if shape and shape[0] == 0:
            return np.zeros(shape, np.int64 if name == "integers" else np.float64)
        if not shape or shape[0] != len(self.rows):
            raise ValueError(
                f"{name}{shape} is not drawn for {len(self.rows)} simulations, each on its own; "
                "the gauntlet's prepare_task must leave out what draws it"
            )
        own = (getattr(self._own[row], name) for row in self.rows)
        return np.array([draw(*arguments, size=shape[1:], **options) for draw in own])
