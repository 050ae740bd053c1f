"""Builds observations: the simulator calls it with N rows, the robot with one.

A term is a pure function over named signals. Its arithmetic is elementwise on float32 rows, so
that one row alone gives the same bits as that row among many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.errors import ContractError
from edge_runtime.observation.terms import TERMS, TermFunction
from edge_runtime.signals import Array, Signal, Signals


@dataclass(frozen=True)
class TermConfig:
    """Configures one block of the observation: a term by name, its parameters, scale, history."""

    name: str
    scale: float = setting(1.0, at_least=-1e9, at_most=1e9)
    history: int = setting(
        1, above=0, at_most=1000
    )  # periods in the block, oldest first; 1: the present alone
    params: Mapping[str, float] = field(default_factory=dict)


def _evaluate(terms: Sequence[TermConfig], signals: Signals) -> list[Array]:
    """Evaluates each term without scale and history, (N, size) each."""
    return [function(*map(signals.__getitem__, reads)) for function, reads in _bind(terms)]


def _bind(terms: Sequence[TermConfig]) -> list[tuple[TermFunction, tuple[str, ...]]]:
    """Returns each term's function, with its parameters bound, and the signals that it reads."""
    found = [(config, TERMS.find(config.name)) for config in terms]
    return [
        (partial(term.function, **config.params) if config.params else term.function, term.reads)
        for config, term in found
    ]


def term_sizes(terms: Sequence[TermConfig], signals: Sequence[Signal]) -> tuple[int, ...]:
    """Returns the entries of each term in the observation, history included.

    Raises:
        ContractError: a term is unknown, or reads a signal that is not there.
    """
    zeros = {s.name: np.zeros((1, s.size), np.float32) for s in signals}
    _check_given(terms, zeros)
    return tuple(v.shape[1] * t.history for t, v in zip(terms, _evaluate(terms, zeros)))


def _check_given(terms: Sequence[TermConfig], signals: Signals) -> None:
    for config in terms:
        missing = [name for name in TERMS.find(config.name).reads if name not in signals]
        if missing:
            raise ContractError(
                f"observation term '{config.name}' needs signal '{missing[0]}', which nothing "
                "provides"
            )


def signals_read(terms: Sequence[TermConfig]) -> tuple[str, ...]:
    """Returns the names of all signals that the terms read, sorted."""
    return tuple(sorted({name for t in terms for name in TERMS.find(t.name).reads}))


class _Past:
    """Shifts the history in a term's block, (N, history * width), oldest first."""

    def __init__(self, block: Array, width: int) -> None:
        self.older, self.newer = block[:, :-width], block[:, width:]
        self._width = width

    def fill(self, rows: np.ndarray, now: Array) -> None:
        """Fills the history of some rows with the present."""
        self.older[rows] = np.tile(now[rows], self.older.shape[1] // self._width)


class ObservationBuilder:
    """Builds the observation of N rows from signals, and keeps its terms' histories.

    Args:
        terms: the observation's blocks, in order.
        signals: at least the signals that the terms read.
        rows: N.
        out: the buffer for the observation, (N, size), float32; a new one by default.

    Raises:
        ContractError: a term is unknown, or reads a signal that is not there.
    """

    def __init__(
        self,
        terms: Sequence[TermConfig],
        signals: Sequence[Signal],
        rows: int,
        out: Array | None = None,
    ) -> None:
        self.terms = tuple(terms)
        self.sizes = term_sizes(terms, signals)
        self.size = sum(self.sizes)
        self._scale = np.repeat([t.scale for t in terms], self.sizes).astype(np.float32)
        self._raw = np.zeros((rows, self.size), np.float32)  # before the scale
        self._out = np.zeros((rows, self.size), np.float32) if out is None else out
        ends = np.cumsum(self.sizes)
        blocks = [self._raw[:, end - size : end] for end, size in zip(ends, self.sizes)]
        widths = [size // t.history for size, t in zip(self.sizes, self.terms)]
        self._items = [
            (function, reads, block[:, -width:], _Past(block, width) if t.history > 1 else None)
            for (function, reads), block, width, t in zip(_bind(terms), blocks, widths, self.terms)
        ]
        self._fresh = np.ones(rows, bool)
        self._any_fresh = True

    def reset(self, rows: np.ndarray | None = None) -> None:
        """Clears the history of these rows (all by default); their next build fills it."""
        self._fresh[slice(None) if rows is None else rows] = True
        self._any_fresh = True

    def build(self, signals: Signals) -> Array:
        """Builds the observation, (N, size), float32, in a buffer that the next call overwrites.

        Raises:
            ContractError: a signal is missing.
        """
        signal = signals.__getitem__
        try:
            for function, reads, newest, past in self._items:
                now = function(*map(signal, reads))
                if past is not None:
                    past.older[:] = past.newer
                    if self._any_fresh:
                        past.fill(self._fresh, now)
                newest[:] = now
        except KeyError:
            _check_given(self.terms, signals)
            raise
        if self._any_fresh:
            self._fresh[:] = False
            self._any_fresh = False
        return np.multiply(self._raw, self._scale, out=self._out)

    def last(self) -> Array:
        """Returns the observation of the last build again, (N, size), in the same buffer."""
        return np.multiply(self._raw, self._scale, out=self._out)

    def peek(self, signals: Signals, rows: np.ndarray) -> Array:
        """Returns what `build` would for some rows, (len(rows), size); the history stays as is."""
        present = _evaluate(self.terms, {name: value[rows] for name, value in signals.items()})
        blocks = [
            now if past is None else np.concatenate([past.newer[rows], now], axis=1)
            for now, (_, _, _, past) in zip(present, self._items)
        ]
        return np.concatenate(blocks, axis=1) * self._scale

    def state(self) -> dict[str, np.ndarray]:
        """Returns a copy of the history, for `restore`."""
        return {"observation": self._raw.copy(), "fresh": self._fresh.copy()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restores the history from a `state`."""
        self._raw[:] = state["observation"]
        self._fresh[:] = state["fresh"]
        self._any_fresh = bool(self._fresh.any())
