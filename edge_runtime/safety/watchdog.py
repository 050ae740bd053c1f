"""Says to the service manager that the control loop goes on, by systemd's protocol (sd_notify).

The manager restarts a service that stops saying so. What is said is a datagram to the socket that
the manager names, so no library of systemd's is needed.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

_EVERY = 0.5  # s between two looks without a watchdog
_LOOKS = 4  # in the time that the manager waits


class ServiceWatchdog:
    """Feeds the service manager's watchdog from a thread of its own, while the loop ticks.

    READY is said with the first tick, and WATCHDOG whenever there are new ticks since the last
    look. A loop that hangs is not waited for: its silence is the message. A manager that cannot be
    reached is no reason to stop a robot; it will do so itself.

    Args:
        ticks: returns the number of ticks up to now; they only grow.
        environment: where the manager says its socket and its patience, as it does for a service.
        status: returns what the robot does, for `systemctl status`.
    """

    def __init__(
        self,
        ticks: Callable[[], int],
        environment: Mapping[str, str] = os.environ,
        status: Callable[[], str] = lambda: "",
    ) -> None:
        self._ticks, self._status = ticks, status
        self._address = _address(environment)
        self.every = _period(environment)  # s between two looks
        self._seen = ticks()
        self._is_ready = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        if self._address:
            self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
            self._thread.start()

    @property
    def is_watched(self) -> bool:
        """Returns whether a service manager wants to know."""
        return bool(self._address)

    def close(self) -> None:
        """Says that the service ends, and ends the thread."""
        if self._thread is not None:
            self._ending.set()
            self._thread.join()
            self._thread = None
            self._say("STOPPING=1")

    def _run(self) -> None:
        while not self._ending.wait(self.every):
            ticks = self._ticks()
            if ticks == self._seen:
                continue
            self._seen = ticks
            lines = ["WATCHDOG=1", f"STATUS={self._status() or f'{ticks} ticks'}"]
            if not self._is_ready:
                lines.insert(0, "READY=1")
            self._is_ready = self._say("\n".join(lines)) or self._is_ready

    def _say(self, message: str) -> bool:
        """Sends a message; returns whether the manager has it."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(message.encode(), self._address)
            return True
        return False


def _address(environment: Mapping[str, str]) -> str:
    """Returns the manager's socket; empty without one. A name that begins with @ is abstract."""
    named = environment.get("NOTIFY_SOCKET", "")
    return f"\0{named[1:]}" if named.startswith("@") else named


def _period(environment: Mapping[str, str]) -> float:
    """Returns how often the watchdog is fed, s: several times in what the manager waits."""
    usec, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or process not in ("", str(os.getpid())):
        return _EVERY
    return min(_EVERY, int(usec) * 1e-6 / _LOOKS)
