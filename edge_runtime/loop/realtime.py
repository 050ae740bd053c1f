"""Applies real-time settings of the operating system to a periodic loop; refusals are reported."""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config.fields import setting

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_PR_SET_TIMERSLACK, _PR_GET_TIMERSLACK = 29, 30


@dataclass(frozen=True)
class RealtimeConfig:
    """Requests real-time settings; the defaults need no permission."""

    fifo: int = setting(0, at_least=0, at_most=99)
    """Priority of the paced thread under SCHED_FIFO; the process's other threads get one less. 0
    keeps the normal scheduler."""
    cpu: int = setting(
        -1, "The only CPU on which the loop runs; -1 for any.", at_least=-1, at_most=8191
    )
    lock_memory: bool = setting(False, "Whether to lock all memory of the process against paging.")
    freeze_garbage: bool = True
    """Whether to collect garbage once before the start and never while the loop runs."""
    switch_interval: float = setting(1e-4, unit="s", above=0)
    """How long another Python thread may hold the interpreter's lock before the loop gets it."""


@contextmanager
def realtime(config: RealtimeConfig) -> Iterator[dict[str, str]]:
    """Applies the settings to the calling thread and its process; restores the old ones at the end.

    Yields:
        For each setting its state, or why the system refused it.
    """
    with ExitStack() as stack:
        yield {
            "timer": _timer_slack(stack),  # first, and so put back last: SCHED_FIFO has none
            "scheduler": _scheduler(config.fifo, stack),
            "cpu": _pin(config.cpu, stack),
            "memory": _lock_memory(config.lock_memory, stack),
            "garbage": _freeze_garbage(config.freeze_garbage, stack),
            "threads": _switch_interval(config.switch_interval, stack),
        }


def _scheduler(priority: int, stack: ExitStack) -> str:
    if not priority:
        return "normal"
    if not hasattr(os, "sched_setscheduler"):
        return "normal (this system has no SCHED_FIFO)"
    try:
        _use_fifo(0, priority, stack)
    except (OSError, ValueError) as error:
        return f"normal (SCHED_FIFO {priority} refused: {error}; it needs CAP_SYS_NICE)"
    # A thread that holds the interpreter's lock while other processes keep it from running would
    # delay the loop too, so all threads of this process get priority over other processes.
    for thread in _other_threads():
        with suppress(OSError):  # it may have ended
            _use_fifo(thread, max(priority - 1, 1), stack)
    return f"SCHED_FIFO {priority}"


def _use_fifo(thread: int, priority: int, stack: ExitStack) -> None:
    before = (os.sched_getscheduler(thread), os.sched_getparam(thread))
    # Threads and processes that this thread starts do not inherit the priority.
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(thread, policy, os.sched_param(priority))
    stack.callback(_put_back, thread, *before)


def _put_back(thread: int, policy: int, parameter: os.sched_param) -> None:
    with suppress(OSError):  # it may have ended
        os.sched_setscheduler(thread, policy, parameter)


def _other_threads() -> list[int]:
    """Returns the kernel's ids of this process's other threads; empty without /proc."""
    folder = Path("/proc/self/task")
    threads = [int(task.name) for task in folder.iterdir()] if folder.is_dir() else []
    return [thread for thread in threads if thread != threading.get_native_id()]


def _pin(cpu: int, stack: ExitStack) -> str:
    if cpu < 0:
        return "any"
    if not hasattr(os, "sched_setaffinity"):
        return "any (this system cannot pin threads)"
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        return f"any (CPU {cpu} refused: {error}; there are {sorted(before)})"
    stack.callback(os.sched_setaffinity, 0, before)
    return str(cpu)


def _lock_memory(wanted: bool, stack: ExitStack) -> str:
    if not wanted:
        return "pageable"
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mlockall"):
        return "pageable (this system has no mlockall)"
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) != 0:
        reason = os.strerror(ctypes.get_errno())
        return f"pageable (mlockall refused: {reason}; it needs CAP_IPC_LOCK)"
    stack.callback(libc.munlockall)
    return "locked"


def _timer_slack(stack: ExitStack) -> str:
    """Sets the timer slack to 1 ns; by default the kernel may delay a wake-up by 50 µs."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        return "default slack"
    before = libc.prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    if before < 0 or libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0) != 0:
        return "default slack"
    stack.callback(libc.prctl, _PR_SET_TIMERSLACK, ctypes.c_ulong(before), 0, 0, 0)
    return "slack 1 ns"


def _freeze_garbage(wanted: bool, stack: ExitStack) -> str:
    if not wanted:
        return "collected at any time"
    gc.collect()
    gc.freeze()
    stack.callback(gc.unfreeze)
    if gc.isenabled():
        gc.disable()
        stack.callback(gc.enable)
    return "frozen"


def _switch_interval(seconds: float, stack: ExitStack) -> str:
    stack.callback(sys.setswitchinterval, sys.getswitchinterval())
    sys.setswitchinterval(seconds)
    return f"switch after {seconds * 1e6:g} µs"
