"""Calls a function that may never return, and gives it up after a while."""

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_URGENT = 0.1  # s for which the call keeps its caller's priority
_GRACE = 2.0  # s at the program's end, for a call that was given up on


def call_in_time(work: Callable[[], T], seconds: float, give_up: Callable[[], None]) -> T:
    """Calls a function on a thread of its own and returns its value.

    The calling thread goes on handling signals. The call has its caller's priority for a short
    while: a control loop waits for the thread that holds the interpreter's lock, and must not wait
    for other processes too. A call that takes longer loses it, so that it starves no one.

    Args:
        work: the function.
        seconds: time after which it is given up.
        give_up: asks it to end, for nothing stops it from outside.

    Raises:
        TimeoutError: it did not return in time.
        Exception: what the function raised.
    """
    future: Future[T] = Future()
    caller = threading.get_native_id()

    def run() -> None:
        _take_priority_of(caller)
        try:
            future.set_result(work())
        except Exception as error:  # which the calling thread raises
            future.set_exception(error)

    worker = threading.Thread(target=run, name="bounded call", daemon=True)
    worker.start()
    try:
        with suppress(NotDone):
            return future.result(min(_URGENT, seconds))
        _be_patient(worker)
        return future.result(max(0.0, seconds - _URGENT))
    except NotDone:
        if future.done():  # at the last moment, or with such an error of its own
            return future.result()
        raise TimeoutError(f"not done within {seconds:g} s") from None
    finally:
        if not future.done():  # code that returns while Python shuts down would abort it
            give_up()
            atexit.register(worker.join, _GRACE)


def _take_priority_of(thread: int) -> None:
    """Gives the calling thread the scheduling of another of this process."""
    with suppress(AttributeError, OSError):  # no such system, or the other thread has ended
        policy, parameter = os.sched_getscheduler(thread), os.sched_getparam(thread)
        os.sched_setscheduler(0, policy, parameter)


def _be_patient(thread: threading.Thread) -> None:
    """Puts a thread back under the normal scheduler."""
    if thread.native_id is not None:
        with suppress(AttributeError, OSError):
            os.sched_setscheduler(thread.native_id, os.SCHED_OTHER, os.sched_param(0))
