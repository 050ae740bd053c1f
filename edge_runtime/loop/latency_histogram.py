"""Counts latencies in histograms of fixed size, which allocate nothing while the loop runs."""

from collections.abc import Sequence

import numpy as np

_SUBDIVISION = 5  # 2^5 bins for each power of two: a value is known to 3 %
_BINS = (36 - _SUBDIVISION + 1) << _SUBDIVISION  # to 2^36 ns, over a minute


class LatencyHistogram:
    """Counts durations in bins whose width grows with the duration.

    Each power of two is divided into equal bins, as in HdrHistogram (hdrhistogram.org), so a
    duration is known to 3 %.
    """

    def __init__(self) -> None:
        self.counts = [0] * _BINS
        self.max = 0  # ns, exact

    def record(self, duration: int) -> None:
        """Counts one duration in ns."""
        if duration > self.max:
            self.max = duration
        shift = duration.bit_length() - _SUBDIVISION - 1
        if shift > 0:
            index = (shift << _SUBDIVISION) + (duration >> shift)
            self.counts[index if index < _BINS else -1] += 1
        else:
            self.counts[duration if duration > 0 else 0] += 1


def percentiles(histogram: LatencyHistogram, percents: Sequence[float]) -> list[int]:
    """Returns percentiles of the counted durations, ns, to 3 %; 0 if none was counted."""
    below = np.cumsum(histogram.counts)
    total = int(below[-1])
    if total == 0:
        return [0] * len(percents)
    needed = np.ceil(np.array(percents) / 100 * total).clip(1, total)
    bins = np.searchsorted(below, needed)
    return [min(bin_edges(int(index))[1] - 1, histogram.max) for index in bins]


def bin_edges(index: int) -> tuple[int, int]:
    """Returns the bounds of a bin, ns: lower <= duration < upper."""
    if index < 2 << _SUBDIVISION:
        return index, index + 1
    shift = (index >> _SUBDIVISION) - 1
    lower = (index - (shift << _SUBDIVISION)) << shift
    return lower, lower + (1 << shift)
