"""Handing values to the control loop without making it wait."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestValue(Generic[T]):
    """Holds the newest value only; neither side ever blocks.

    A reference is swapped in one step, so a reader sees the old value or the new one, whole.
    Values must not be changed after they were put.
    """

    def __init__(self, value: T) -> None:
        self._value = value

    def put(self, value: T) -> None:
        """Replace the value."""
        self._value = value

    def get(self) -> T:
        """The newest value."""
        return self._value


class Handover(Generic[T]):
    """Hands one value over at a time; the giver can wait until it is in use."""

    def __init__(self) -> None:
        self._offer: deque[T] = deque(maxlen=1)  # whose operations are atomic
        self._used = threading.Event()

    def give(self, value: T) -> None:
        """Offer a value, in place of one not yet taken."""
        self._used.clear()
        self._offer.append(value)

    def take(self) -> T | None:
        """The offered value, once; None if there is none. Never blocks."""
        try:
            return self._offer.pop()
        except IndexError:
            return None

    def confirm(self) -> None:
        """Tell the giver that the value taken last is in use."""
        self._used.set()

    def wait(self, timeout: float) -> bool:
        """Wait until the offer is in use; False if it was withdrawn after `timeout` seconds."""
        if self._used.wait(timeout):
            return True
        if self.take() is not None:
            return False
        return self._used.wait(timeout)  # it was taken at the last moment
