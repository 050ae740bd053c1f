"""Publishes in a thread of its own, so that the control loop does not wait for the middleware."""

import threading
from collections.abc import Callable, Sequence

from sim2edge_ros.messages.wake_up import WakeUp


class PublisherThread:
    """Runs the senders each time it is woken.

    Args:
        senders: each publishes its newest value, if it has a new one.
    """

    def __init__(self, senders: Sequence[Callable[[], None]]) -> None:
        self._senders = tuple(senders)
        self._wake_up = WakeUp()
        self._ending = False
        self.error: Exception | None = None  # the error that ended the thread
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Lets the senders run soon; never blocks."""
        self._wake_up.wake()

    def close(self) -> None:
        """Lets the senders run once more, then ends the thread."""
        self._ending = True
        self._wake_up.wake()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ending:
                self._wake_up.wait()
                for send in self._senders:
                    send()
        except Exception as error:
            self.error = error
