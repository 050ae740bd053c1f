"""Keeps the policies of a session: the one that drives, one in shadow, and those that drove
before."""

from edge_runtime.errors import UserError
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.comparison import Comparison
from edge_runtime.slots.shadow import POLL_SECONDS, Shadow

_KEPT = 8  # policies that drove before and can be rolled back to


class PolicySlots:
    """Loads policies, tries one in shadow, promotes it, and rolls back.

    One thread at a time calls the methods. A call that raises has changed nothing.

    Args:
        session: the session, before its start, so that the shadow's thread gets its priority.
        every: s between two reads of the shadow's ring.
    """

    def __init__(self, session: Session, every: float = POLL_SECONDS) -> None:
        self._session = session
        self._before: list[Policy] = []  # the newest last
        self._shadow = Shadow(session, every)

    def load(self, policy: Policy, timeout: float = 5.0) -> None:
        """Lets a policy drive, untried, from the next tick or start on; the shadow stays.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: it drives already or did before, or the loop did not take it within
                `timeout` s.
        """
        self._check_unused(policy)
        self._let_drive(policy, timeout)

    def shadow(self, policy: Policy) -> None:
        """Puts a policy in shadow, in place of the one that is there.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: it drives already or did before.
        """
        self._check_unused(policy)
        self._shadow.load(policy)

    def drop(self) -> None:
        """Empties the shadow's slot."""
        self._shadow.drop()

    def promote(self, timeout: float = 5.0) -> None:
        """Lets the policy in shadow drive from the next tick on.

        Raises:
            UserError: there is none, it gave actions that are not finite, or the loop did not
                take it within `timeout` s.
        """
        with self._shadow.handing_over() as policy:
            self._let_drive(policy, timeout)

    def roll_back(self, timeout: float = 5.0) -> None:
        """Lets the policy drive that did before the last `load` or `promote`.

        Raises:
            UserError: there is none, or the loop did not take it within `timeout` s.
        """
        if not self._before:
            raise UserError("no other policy drove before, so there is none to go back to")
        self._session.swap(self._before[-1], timeout)
        self._before.pop()

    def comparison(self) -> Comparison | None:
        """Compares the policy in shadow, or the last one there, with the driver; None without."""
        return self._shadow.comparison()

    def close(self) -> None:
        """Ends the shadow's thread; call it after the session has ended."""
        self._shadow.close()

    def _check_unused(self, policy: Policy) -> None:
        """Refuses a policy that is in use: its buffers serve one controller at a time."""
        if policy is self._session.policy or policy in self._before:
            raise UserError(f"{policy.source}: it drives or did; load the file once more")

    def _let_drive(self, policy: Policy, timeout: float) -> None:
        driver = self._session.policy
        self._session.swap(policy, timeout)
        self._before.append(driver)
        del self._before[:-_KEPT]
