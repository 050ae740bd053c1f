"""The publisher's thread: what the control loop gives goes out without making it wait."""

import threading
from collections.abc import Callable, Sequence

from sim2edge_ros.messages.wake_up import WakeUp


class PublisherThread:
    """Runs senders whenever something was put into one of their slots.

    Args:
        senders: each sends the newest of what it is for, if there is something new.
    """

    def __init__(self, senders: Sequence[Callable[[], None]]) -> None:
        self._senders = tuple(senders)
        self._wake_up = WakeUp()
        self._ending = False
        self.error: Exception | None = None  # that ended the thread
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to send; never blocks."""
        self._wake_up.wake()

    def close(self) -> None:
        """Send what is left and end."""
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
