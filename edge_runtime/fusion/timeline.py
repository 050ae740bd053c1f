"""Puts measurements in the order in which they were made, whatever order they arrive in.

A filter that accepts late measurements keeps its last events with the state after each. A late
event is put in its place, and the states after it are computed anew. So the result depends on the
events alone and not on their arrival (Bar-Shalom, Li, Kirubarajan, "Estimation with Applications
to Tracking and Navigation", 2001, section 12: the exact, brute-force way).
"""

import numpy as np

from edge_runtime.fusion.compiled import Record, RecordBuffer, Records, compiled
from edge_runtime.signals import Float

EVENT_HEADER = [  # the first fields of every filter's events
    ("stamp", "f8"),  # s
    ("kind", "f8"),  # events of one moment are ordered by kind
    ("believed", "f8"),  # written by the filter: 1.0 or 0.0
]

# What `place` returns for an event that has no place.
TOO_LATE = -1
TWICE = -2


def moment(event: np.dtype, state: np.dtype) -> np.dtype:
    """Returns the dtype of an event, which begins with `EVENT_HEADER`, with the state after it."""
    return np.dtype([("event", event), ("state", state)])


class Timeline:
    """Keeps the last moments in a ring: events, and the filter's state and covariance after each.

    Args:
        capacity: moments kept. It bounds how late a measurement may come, as `horizon` does.
        dtype: the dtype of a moment, made by `moment`.
        error_size: numbers of the error state.
        horizon: s before the newest event, up to which one may still come.
    """

    def __init__(self, capacity: int, dtype: np.dtype, error_size: int, horizon: float) -> None:
        self._buffer = RecordBuffer(np.zeros(capacity, dtype))
        self.covariances: Float = np.zeros((capacity, error_size, error_size))
        # First slot in use, number in use, and the horizon.
        self.span: Float = np.zeros(3)
        self.span[2] = horizon

    def start(self, stamp: float, kind: float, state: Record, covariance: Float) -> None:
        """Forgets everything and begins from this state."""
        self.span[:2] = 0.0, 1.0
        self.moments[0] = 0.0
        event = self.moments[0]["event"]
        event["stamp"], event["kind"], event["believed"] = stamp, kind, 1.0
        self.moments[0]["state"] = state
        self.covariances[0] = covariance

    @property
    def moments(self) -> Records:
        """Returns the ring, (capacity,)."""
        return self._buffer.records

    @property
    def numbers(self) -> Float:
        """Returns the memory of `moments`, as compiled functions take it."""
        return self._buffer.numbers

    @property
    def _newest(self) -> int:
        return int(self.span[0] + self.span[1] - 1) % len(self.moments)

    @property
    def stamp(self) -> float:
        """Returns the stamp of the newest event, s."""
        return float(self.moments[self._newest]["event"]["stamp"])

    @property
    def state(self) -> Record:
        """Returns the newest nominal state, not a copy."""
        newest: Record = self._buffer.columns["state"][self._newest]
        return newest

    @property
    def covariance(self) -> Float:
        """Returns the covariance of the newest state, (error_size, error_size), not a copy."""
        newest: Float = self.covariances[self._newest]
        return newest


@compiled
def slot(span: Float, capacity: int, index: int) -> int:
    """Returns the slot in the ring of the event `index`, counted from the oldest."""
    return (int(span[0]) + index) % capacity


@compiled
def place(events: Records, span: Float, event: Record) -> int:
    """Puts an event in its place.

    Args:
        events: (K,) the ring; written.
        span: the span of the timeline; written.
        event: to insert.

    Returns:
        Its index from the oldest; all states from there on must be computed anew. TOO_LATE if it
        is older than the horizon or the oldest event, TWICE if one of that kind and stamp is
        there already.
    """
    capacity = events.shape[0]
    count = int(span[1])
    stamp, kind = event["stamp"], event["kind"]
    if stamp < events[slot(span, capacity, count - 1)]["stamp"] - span[2]:
        return TOO_LATE
    index = count
    while index > 0:
        before = events[slot(span, capacity, index - 1)]
        if before["stamp"] < stamp:
            break
        if before["stamp"] == stamp:
            if before["kind"] == kind:
                return TWICE
            if before["kind"] < kind:
                break
        index -= 1
    if index == 0:
        return TOO_LATE
    if count == capacity:
        if index == 1:
            return TOO_LATE  # its predecessor is dropped, and with it the state to start from
        span[0] = float(slot(span, capacity, 1))
        index -= 1
    else:
        count += 1
        span[1] = float(count)
    for later in range(count - 1, index, -1):
        events[slot(span, capacity, later)] = events[slot(span, capacity, later - 1)]
    events[slot(span, capacity, index)] = event
    return index
