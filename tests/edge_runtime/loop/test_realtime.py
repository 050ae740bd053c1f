"""What is asked of the operating system is in force meanwhile, and put back afterwards."""

import ctypes
import gc
import os
import re
import sys
import threading
from pathlib import Path

import pytest

from edge_runtime.loop.realtime import RealtimeConfig, realtime


def timer_slack() -> int:
    """Returns the timer slack of this thread, ns."""
    return int(ctypes.CDLL(None).prctl(30, 0, 0, 0, 0))


def locked_memory() -> str:
    return re.findall(r"VmLck:\s*(\d+)", Path("/proc/self/status").read_text())[0]


def state() -> tuple[object, ...]:
    """All that `realtime` may change."""
    return (
        gc.isenabled(),
        gc.get_freeze_count(),
        sys.getswitchinterval(),
        os.sched_getscheduler(0),
        os.sched_getaffinity(0),
        timer_slack(),
        locked_memory(),
    )


@pytest.mark.parametrize("fifo", [0, 10])
def test_everything_is_put_back(fifo: int) -> None:
    before, cpu = state(), min(os.sched_getaffinity(0))
    with realtime(RealtimeConfig(fifo=fifo, cpu=cpu, lock_memory=True)) as report:
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() == pytest.approx(1e-4)
        assert os.sched_getaffinity(0) == {cpu}
        assert report["cpu"] == str(cpu)
        assert timer_slack() <= 1
        assert (report["memory"] == "locked") == (locked_memory() != "0")
    assert state() == before


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
