"""Ends a process in order when a signal asks for it.

SIGINT and SIGTERM do, and SIGHUP, which a closed terminal or a lost SSH session sends, unless the
process was started with SIGHUP ignored, as by nohup. A lost terminal sends it more than once, and
service managers send it right after SIGTERM, so it never counts as a second, impatient signal.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

EXIT_CODE = 128  # plus the signal's number, as shells report it


class Ended(KeyboardInterrupt):
    """Reports that SIGTERM or SIGHUP asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = EXIT_CODE + number


def stop_signals() -> tuple[signal.Signals, ...]:
    """Returns the signals that ask this process to end."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@contextmanager
def ending() -> Iterator[None]:
    """Raises `Ended` in the main thread at SIGTERM or SIGHUP, so that files and robots are closed.

    A second SIGTERM ends a process that hangs.
    """

    def handle(number: int, _: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise Ended(number)

    with _handled(stop_signals()[1:], handle):
        yield


@contextmanager
def interruptible(
    count: int, notice: str = "", others: tuple[signal.Signals, ...] = ()
) -> Iterator[threading.Event]:
    """Yields an event that the first `count` signals set; a later one ends the process at once.

    Outside the main thread, which alone receives signals, nothing sets it.

    Args:
        count: how many signals set the event.
        notice: what the first one prints on stderr.
        others: signals that set it too, besides those that ask a process to end.
    """
    event = threading.Event()
    seen = 0

    def handle(number: int, _: object) -> None:
        nonlocal seen
        if number == signal.SIGHUP and seen:
            return
        seen += 1
        event.set()
        if seen == 1 and notice:
            with suppress(OSError):  # not by print, which may be what the signal interrupted
                os.write(2, f"{notice}\n".encode())
        if seen == count:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    with _handled((*stop_signals(), *others), handle):
        yield event
    if seen and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # another one must not disturb the end


@contextmanager
def _handled(
    numbers: tuple[signal.Signals, ...], handle: Callable[[int, object], None]
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
