"""Hands values to the control loop without making it wait."""

import threading
from collections import deque
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
