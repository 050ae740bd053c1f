"""What is asked of the operating system is in force meanwhile, and put back afterwards."""

import gc
import os
import sys
import threading

import pytest

from edge_runtime.realtime import RealtimeConfig, realtime


def test_everything_is_put_back() -> None:
    before = (
        gc.isenabled(),
        gc.get_freeze_count(),
        sys.getswitchinterval(),
        os.sched_getscheduler(0),
        os.sched_getaffinity(0),
    )
    with realtime(RealtimeConfig(fifo=10, cpu=min(before[-1]), lock_memory=True)) as report:
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() == pytest.approx(1e-4)
        assert os.sched_getaffinity(0) == {min(before[-1])}
        assert report["cpu"] == str(min(before[-1]))
    assert before == (
        gc.isenabled(),
        gc.get_freeze_count(),
        sys.getswitchinterval(),
        os.sched_getscheduler(0),
        os.sched_getaffinity(0),
    )


def test_other_threads_come_after_the_loop_and_before_other_processes() -> None:
    """Else one of them could be kept from running while it holds the interpreter's lock."""
    done, ready = threading.Event(), threading.Event()
    numbers: list[int] = []

    def wait() -> None:
        numbers.append(threading.get_native_id())
        ready.set()
        done.wait()

    other = threading.Thread(target=wait)
    other.start()
    ready.wait()
    before = os.sched_getparam(numbers[0]).sched_priority
    with realtime(RealtimeConfig(fifo=10)) as report:
        if "refused" in report["scheduler"]:
            assert "CAP_SYS_NICE" in report["scheduler"]
        else:
            assert os.sched_getparam(0).sched_priority == 10
            assert os.sched_getparam(numbers[0]).sched_priority == 9
    assert os.sched_getparam(numbers[0]).sched_priority == before
    done.set()
    other.join()


def test_what_is_refused_is_said() -> None:
    with realtime(RealtimeConfig(fifo=1000, cpu=4096)) as report:
        assert "SCHED_FIFO 1000 refused" in report["scheduler"]
        assert "CPU 4096 refused" in report["cpu"]
        assert report["garbage"] == "frozen"


def test_nothing_is_asked_by_default_that_needs_permission() -> None:
    with realtime(RealtimeConfig()) as report:
        assert not any("refused" in state for state in report.values())
        assert report["scheduler"] == "normal"
