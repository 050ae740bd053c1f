"""Measurements in the order they were made, whatever the order they come in.

A filter that must take in late measurements keeps its last events with the state after each. A
late event is put in its place, and the states after it are computed anew. So the result depends
on the events alone and not on their arrival. (Bar-Shalom, Li, Kirubarajan, "Estimation with
Applications to Tracking and Navigation", 2001, section 12: the exact, brute-force way.)
"""

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.measurement import Float

# The columns of an event that the timeline itself knows.
STAMP = 0  # s
KIND = 1  # events of one moment are ordered by kind
BELIEVED = 2  # written by the filter: 1.0 or 0.0
PAYLOAD = 3  # the rest is the filter's

# What `place` says of an event that has no place.
TOO_LATE = -1
TWICE = -2


class Timeline:
    """A ring of the last events and of the filter's state after each.

    Args:
        capacity: events kept. It bounds how late a measurement may come, as `horizon` does.
        event_size: columns of an event.
        state_size: numbers of the nominal state.
        error_size: of the error state.
        horizon: s before the newest event, up to which one may still come.
    """

    def __init__(
        self, capacity: int, event_size: int, state_size: int, error_size: int, horizon: float
    ) -> None:
        self.events: Float = np.zeros((capacity, event_size))
        self.states: Float = np.zeros((capacity, state_size))
        self.covariances: Float = np.zeros((capacity, error_size, error_size))
        # First slot in use, number in use, and the horizon.
        self.span: Float = np.zeros(3)
        self.span[2] = horizon

    def start(self, stamp: float, kind: float, state: Float, covariance: Float) -> None:
        """Forget everything and begin from this state."""
        self.span[:2] = 0.0, 1.0
        self.events[0] = 0.0
        self.events[0, :PAYLOAD] = stamp, kind, 1.0
        self.states[0] = state
        self.covariances[0] = covariance

    @property
    def newest(self) -> int:
        """The slot of the newest event."""
        return int(self.span[0] + self.span[1] - 1) % len(self.events)

    @property
    def oldest(self) -> int:
        """The slot of the oldest event."""
        return int(self.span[0])


@compiled
def slot(span: Float, capacity: int, index: int) -> int:
    """Where in the ring the event `index` is, counted from the oldest."""
    return (int(span[0]) + index) % capacity


@compiled
def place(events: Float, span: Float, event: Float) -> int:
    """Put an event in its place.

    Args:
        events: (K, E) the ring; written.
        span: of the timeline; written.
        event: (E,) to insert.

    Returns:
        Its index from the oldest; all states from there on must be computed anew. TOO_LATE if it
        is older than the horizon or the oldest event, TWICE if one of that kind and stamp is
        there already.
    """
    capacity = events.shape[0]
    count = int(span[1])
    stamp, kind = event[STAMP], event[KIND]
    if stamp < events[slot(span, capacity, count - 1), STAMP] - span[2]:
        return TOO_LATE
    index = count
    while index > 0:
        before = slot(span, capacity, index - 1)
        if events[before, STAMP] < stamp:
            break
        if events[before, STAMP] == stamp:
            if events[before, KIND] == kind:
                return TWICE
            if events[before, KIND] < kind:
                break
        index -= 1
    if index == 0:
        return TOO_LATE
    if count == capacity:
        if index == 1:
            return TOO_LATE  # the state before it has to go
        span[0] = float(slot(span, capacity, 1))
        index -= 1
    else:
        count += 1
        span[1] = float(count)
    for later in range(count - 1, index, -1):
        events[slot(span, capacity, later)] = events[slot(span, capacity, later - 1)]
    events[slot(span, capacity, index)] = event
    return index
