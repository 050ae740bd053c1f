"""What goes wrong with a sensor's readings: changes of each while a fault lasts."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_runtime.signals import Float

# A reading, and how many came before it in the fault -> what is read instead; None loses it.
Change = Callable[[Any, int], Any]


def lost(reading: Any, k: int) -> None:
    return None


def some(share: float) -> Change:
    """So many are lost, at random."""
    random = np.random.default_rng(0).random(100_000)
    return lambda reading, k: None if random[k] < share else reading


def setting(**values: object) -> Change:
    return lambda reading, k: reading._replace(**values)


def frozen(*names: str) -> Change:
    """As in the fault's first reading."""
    held: list[Any] = []

    def change(reading: Any, k: int) -> Any:
        if k == 0:
            held[:] = [reading]
        return reading._replace(**{name: getattr(held[0], name) for name in names})

    return change


def spikes(name: str, value: Float, every: int) -> Change:
    return lambda reading, k: reading._replace(**{name: value}) if k % every == 0 else reading


def later(seconds: float, every: int = 1) -> Change:
    """Stamped so much later."""

    def change(reading: Any, k: int) -> Any:
        return reading._replace(stamp=reading.stamp + seconds) if k % every == 0 else reading

    return change


def scaled(name: str, factor: float) -> Change:
    return lambda reading, k: reading._replace(
        **{name: factor * np.asarray(getattr(reading, name))}
    )
