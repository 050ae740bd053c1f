"""Keeps the learner's process running, and starts it again when it dies."""

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from pathlib import Path

from edge_runtime.child_program import child_program

_PROGRAM = "edge_runtime.learning.process.program"
_COMPLAINTS = "complaints.txt"  # what it says on stderr
_MINUTE = 60.0  # s
_PATIENCE = 5.0  # s for it to write its checkpoint at the end
_REFUSED = 2  # its exit code when something does not fit
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class LearnerChild:
    """Starts the learner's process, and again after a crash, but not too often.

    Args:
        folder: where it works; it holds the job.
        most: how often it is started in a minute, at most.
    """

    def __init__(self, folder: Path, most: int = 5) -> None:
        self._folder, self._most = folder, most
        self._complaints = folder / _COMPLAINTS
        self._starts: deque[float] = deque()  # s, in the last minute
        self._process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.failure = ""
        """Why it is not running, and will not be started again; empty if it will."""

    @property
    def pid(self) -> int:
        """Returns the process's number; 0 if it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    def look(self) -> bool:
        """Starts the process if it is not running; returns whether it was started."""
        process = self._process
        if self.failure or (process is not None and process.poll() is None):
            return False
        if process is not None and process.returncode == _REFUSED:
            self.failure = self._complaint()
            return False
        now = time.monotonic()
        while self._starts and self._starts[0] < now - _MINUTE:
            self._starts.popleft()
        if len(self._starts) >= self._most:
            self.failure = f"it ended {self._most} times within a minute: {self._complaint()}"
            return False
        self._starts.append(now)
        self.restarts += process is not None
        self._start()
        return True

    def kill(self) -> None:
        """Ends a process that hangs; the next look starts another one."""
        if (pid := self.pid) and self._process is not None:
            os.kill(pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """Ends the process after it has written its checkpoint."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            process.send_signal(signal.SIGCONT)  # one that was stopped hears nothing
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.failure = self.failure or "the run ended"

    def _start(self) -> None:
        with self._complaints.open("wb") as complaints:
            # In a session of its own, so that Ctrl-C reaches the control loop alone.
            self._process = subprocess.Popen(
                [*child_program(_PROGRAM), str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
                env={**os.environ, **_ONE_THREAD},
            )

    def _complaint(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._complaints.read_bytes().decode(errors="replace").strip().splitlines()
            if lines:
                return lines[-1][:500]
        code = None if self._process is None else self._process.returncode
        return f"exit code {code}"
