"""Hands experience from the control loop to a store, by a thread of its own."""

import time

import numpy as np

from edge_runtime.experience.layout import Flag, Layout
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.row_writer import RowWriter
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy

REWARD = ("speed", "energy")
_SYNC = 1.0  # s


def layout_of(policy: Policy, robot: str) -> Layout:
    """Returns the layout of experience with a policy."""
    contract = policy.contract
    sizes = contract.observation_size, len(contract.actuators)
    return Layout(policy.sha256, robot, *sizes, REWARD, contract.control_period)


class ExperienceObserver:
    """Observes ticks; fills a row in memory that is there, and puts it into a ring.

    Args:
        loop: the loop that is observed, for the sizes of its policy.
        store: what a thread of this object appends the rows to, and syncs once a second.
    """

    def __init__(self, loop: ControlLoop, store: ExperienceStore) -> None:
        self._store = store
        self._row = np.zeros(1, store.layout.dtype)
        self._observation = self._row["observation"][0]
        self._action = self._row["action"][0]
        self._number, self._flags = self._row["number"], self._row["flags"]
        self._synced = time.monotonic()
        size = self._row.itemsize
        self.writer = RowWriter(size, round(5.0 / (loop.period * 1e-9)), self._append, 0.25)

    def observe(self, tick: Tick) -> None:
        """Takes in a tick."""
        self._number[0] = tick.number
        self._observation[:] = tick.observation
        self._action[:] = tick.action
        self._flags[0] = 0 if tick.drove else Flag.CUT
        self.writer.put(self._row.tobytes())

    def close(self) -> None:
        """Passes on the rows that are left."""
        self.writer.close()

    def _append(self, rows: bytes) -> None:
        self._store.append(np.frombuffer(rows, self._store.layout.dtype))
        if time.monotonic() - self._synced > _SYNC:
            self._store.sync()
            self._synced = time.monotonic()
