"""A call that may never return is given up; while it is short it has its caller's priority."""

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from edge_runtime.policy.bounded_call import call_in_time

T = TypeVar("T")


def test_the_value_and_the_errors_of_a_call_are_its_own() -> None:
    given_up: list[bool] = []
    assert call_in_time(lambda: 3, 5.0, lambda: given_up.append(True)) == 3
    for error in (KeyError("x"), TimeoutError("of its own")):

        def fail(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error), match=str(error.args[0])):
            call_in_time(fail, 5.0, lambda: given_up.append(True))
    assert not given_up


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_a_call_that_does_not_return_is_given_up(seconds: float) -> None:
    ended = threading.Event()
    with pytest.raises(TimeoutError, match=f"not done within {seconds} s"):
        call_in_time(lambda: ended.wait(60.0), seconds, ended.set)
    assert ended.is_set()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone has SCHED_BATCH")
def test_a_call_has_its_callers_priority_until_it_takes_too_long() -> None:
    def wait_for_normal() -> bool:
        end = time.monotonic() + 30.0
        while os.sched_getscheduler(0) != os.SCHED_OTHER and time.monotonic() < end:
            time.sleep(0.01)
        return os.sched_getscheduler(0) == os.SCHED_OTHER

    assert _as_batch(lambda: os.sched_getscheduler(0)) == os.SCHED_BATCH
    assert _as_batch(wait_for_normal)


def _as_batch(work: Callable[[], T]) -> T:
    """Calls in time from a thread of another scheduling than this one, which needs no right."""
    found: list[T] = []

    def run() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        found.append(call_in_time(work, 60.0, lambda: None))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]
