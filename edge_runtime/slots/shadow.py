"""Runs a policy in shadow: on the ticks of the one that drives, without a command to the robot."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edge_runtime.errors import UserError
from edge_runtime.loop.row_writer import RowWriter
from edge_runtime.loop.session import Session
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.comparison import Comparison, Trial, row, row_size

POLL_SECONDS = 0.05  # between two reads of the ring by the shadow's thread
_RING_SECONDS = 2.0  # lag behind the loop from which on ticks are lost


class Shadow:
    """Observes a session's ticks and runs a policy on them in a thread of its own.

    The loop copies each tick into a ring (`RowWriter`). The thread replays tick after tick, so
    the history that the policy observes is the driver's. A policy that is too slow loses ticks,
    which are counted; it never takes the loop's time.

    Args:
        session: the session whose driver it is compared with, before its start.
        every: s between two reads of the ring.
    """

    def __init__(self, session: Session, every: float = POLL_SECONDS) -> None:
        self._session = session
        self._trial: Trial | None = None  # of the policy in shadow
        self._latest: Trial | None = None  # of the last policy that was in shadow
        self._using = threading.Lock()  # guards a policy's buffers; the loop never takes it
        loop = session.loop
        self._row_size = row_size(loop.last_tick, len(session.robot.description.joint_names))
        capacity = max(8, round(_RING_SECONDS * 1e9 / loop.period))
        self._writer = RowWriter(self._row_size, capacity, self._replay, every)
        loop.add_observer(self)

    @property
    def policy(self) -> Policy | None:
        """Returns the policy in shadow."""
        trial = self._trial
        return None if trial is None else trial.policy

    def observe(self, tick: Tick) -> None:
        """Copies a tick into the ring."""
        if self._trial is not None and tick.sent is not None:
            self._writer.put(row(tick, tick.sent))

    def load(self, policy: Policy) -> None:
        """Puts a policy in shadow, in place of the one there.

        Raises:
            ContractError: it does not fit the robot or the loop; the one in shadow stays.
        """
        trial = Trial(policy, self._session.loop)
        with self._using:
            self._trial = self._latest = trial

    def drop(self) -> None:
        """Empties the shadow."""
        with self._using:
            self._trial = None

    @contextmanager
    def handing_over(self) -> Iterator[Policy]:
        """Gives away the policy in shadow: it is not run in the block, and not in shadow after it.

        Raises:
            UserError: no policy is in shadow, or it gave actions that are not finite.
        """
        with self._using:
            trial = self._trial
            if trial is None:
                raise UserError("no policy is in shadow; load one first")
            if trial.not_finite:
                raise UserError(
                    f"{trial.policy.source}: {trial.not_finite} of its actions in shadow were not "
                    "finite, so it must not drive; train or export another"
                )
            yield trial.policy
            self._trial = None

    def comparison(self) -> Comparison | None:
        """Compares the policy in shadow, or the last one there, with the driver; None without."""
        with self._using:
            return None if self._latest is None else self._latest.comparison()

    def close(self) -> None:
        """Replays the ticks that are left and ends the thread; call it after the loop has ended."""
        self._writer.close()

    def _replay(self, rows: bytes) -> None:
        for start in range(0, len(rows), self._row_size):
            with self._using:  # one tick at a time, so that the operator need not wait
                trial = self._trial
                if trial is None:
                    return
                try:
                    trial.take(rows[start : start + self._row_size])
                except Exception as error:  # an execution provider raises whatever it likes
                    trial.failure = f"{type(error).__name__}: {error}"
                    self._trial = None
