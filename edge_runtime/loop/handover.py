"""Hands values and controllers to the control loop without making it wait."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestValue(Generic[T]):
    """Holds the newest value only; neither side ever blocks.

    A reference is swapped in one step, so a reader sees the old value or the new one, whole.
    A value must not be changed after it was put.
    """

    def __init__(self, value: T) -> None:
        self._value = value

    def put(self, value: T) -> None:
        """Replaces the value."""
        self._value = value

    def get(self) -> T:
        """Returns the newest value."""
        return self._value


class Handover(Generic[T]):
    """Hands over one value at a time; the giving thread can wait until it is in use."""

    def __init__(self) -> None:
        self._offer: deque[T] = deque(maxlen=1)  # whose operations are atomic
        self._used = threading.Event()

    def give(self, value: T) -> None:
        """Offers a value, in place of one that was not yet taken."""
        self._used.clear()
        self._offer.append(value)

    def take(self) -> T | None:
        """Takes the offered value, or None if there is none; never blocks."""
        try:
            return self._offer.pop()
        except IndexError:
            return None

    def confirm(self) -> None:
        """Signals that the value taken last is in use."""
        self._used.set()

    def wait(self, timeout: float) -> bool:
        """Waits until the offered value is in use.

        Args:
            timeout: s after which the offer is withdrawn.

        Returns:
            Whether the value is in use; if not, it was withdrawn and will not be taken.
        """
        if self._used.wait(timeout):
            return True
        if self.take() is not None:
            return False
        return self._used.wait(timeout)  # it was taken at the last moment


@dataclass
class Reserve(Generic[T]):
    """Holds a controller that drives in place of another in the very tick whose action is bad.

    Another controller was tried before it was trusted, and this one is trusted (the simplex
    architecture: Sha, "Using simplicity to control complexity", 2001).
    """

    controller: T
    largest_action: float  # as a multiple of the clip; the largest that is followed
    called_for: float | None = None  # the action that it was called for; NaN: one was not finite


class Succession(Generic[T]):
    """Hands the robot from one controller to another, and makes nobody wait for that.

    The operator's thread offers a controller and may wait; an observer chooses one in the loop's
    thread, which it bound before. What the operator offers counts more.
    """

    def __init__(self) -> None:
        self._offered: Handover[T] = Handover()
        self._chosen: T | None = None  # only the loop's thread uses it
        self._took_offer = False  # whether the controller taken last was the operator's
        self.due = False  # whether somebody wants another controller
        self.reserve: Reserve[T] | None = None  # observers set it, in the loop's thread

    def offer(self, controller: T) -> None:
        """Offers a controller; the operator's thread calls this."""
        self._offered.give(controller)
        self.due = True

    def wait(self, timeout: float) -> bool:
        """Waits `timeout` s at most; returns whether the offered controller drives."""
        return self._offered.wait(timeout)

    def choose(self, controller: T) -> None:
        """Lets a controller drive from the next tick on, and leaves none in reserve.

        An observer calls this, in the loop's thread; the controller was bound before, so this takes
        no time.
        """
        self._chosen, self.reserve, self.due = controller, None, True

    def take(self) -> T | None:
        """Returns the controller that is to drive from now on, or None for the one before."""
        self.due = False
        chosen, self._chosen = self._chosen, None
        offered = self._offered.take()
        self._took_offer = offered is not None
        if offered is None:
            return chosen
        self.reserve = None
        return offered

    def confirm(self) -> None:
        """Lets the operator know that the controller taken last drives, if it was offered."""
        if self._took_offer:
            self._offered.confirm()
