"""Runs a learner as a program: `python -m edge_runtime.learning.process.program FOLDER`.

It ends with a signal, and with the process that started it. Nothing waits for it but a robot that
is simulated in lockstep.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.learning.process.job import LearnJob, read_job
from edge_runtime.learning.process.learner import Learner
from edge_runtime.stop_signals import ending

_LOOK, _LOOK_IN_LOCKSTEP = 0.1, 0.0005  # s between two looks for new ticks
_NICE = 19


def main(arguments: list[str]) -> int:
    """Learns until a signal or the end of the parent process."""
    folder, parent = Path(arguments[0]), os.getppid()
    try:
        job = read_job(folder)
        give_way(job)
        learner = Learner(folder, job)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    look = _LOOK_IN_LOCKSTEP if job.lockstep else _LOOK
    try:
        with ending():
            while os.getppid() == parent:
                if not learner.step():
                    time.sleep(look)
    except KeyboardInterrupt:
        pass
    learner.close()
    return 0


def give_way(job: LearnJob) -> None:
    """Gives this process the lowest priority, and leaves the control loop its CPU.

    A robot in lockstep waits for it anyway, so it keeps its priority there.
    """
    if job.lockstep:
        return
    with suppress(OSError):
        os.nice(_NICE)
    if not hasattr(os, "sched_setaffinity"):
        return
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    cpus = os.sched_getaffinity(0)
    taken = job.cpu if job.cpu >= 0 else min(cpus)
    if rest := cpus - {taken}:
        with suppress(OSError):
            os.sched_setaffinity(0, rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
