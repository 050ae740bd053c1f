"""Nodes as processes: started together, started again when they fail, ended in order."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from edge_runtime.errors import UserError
from sim2edge_ros.processes.node_process import REFUSED

# s for a node to end. The edge node brings the robot to rest first, which takes 2 s, a controlled
# stop of 10 s at most, and 3 s of patience.
GRACE = 25.0
_LOOK = 0.1  # s between two looks at the processes
_RESPAWN = 1.0  # s before a node that failed is started again


class ChildProcesses:
    """The processes of a graph's nodes.

    Args:
        commands: of each node, in the order of starting.
        environment: of all.
        respawn: whether a node that fails is started again.
        keep_going: nodes without which the others go on, if they are refused after a failure.
        listen: called with a node's name and each line of it, from threads of their own.
    """

    def __init__(
        self,
        commands: dict[str, list[str]],
        environment: dict[str, str],
        respawn: bool,
        keep_going: Sequence[str] = (),
        listen: Callable[[str, str], None] = lambda name, line: None,
    ) -> None:
        self._commands, self._environment, self._respawn = commands, environment, respawn
        self._keep_going, self._listen = keep_going, listen
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._again: dict[str, float] = {}  # when to start a node again
        self._respawned: set[str] = set()
        self._said: dict[str, str] = {}  # the last line of each

    def run(self, seconds: float, ending: threading.Event) -> int:
        """Until the time is over, the end is asked for, or a node ends for good.

        For the thread that lives longest: the nodes end with the thread that started them.

        Raises:
            UserError: a node refused what it was given.
        """
        for name in self._commands:
            self._start(name)
        until = time.monotonic() + seconds if seconds else float("inf")
        while time.monotonic() < until and not ending.wait(_LOOK):
            for name, process in list(self._processes.items()):
                if process.poll() is not None and not self._ended(name, process.returncode):
                    return 1
            for name, moment in list(self._again.items()):
                if time.monotonic() > moment:
                    del self._again[name]
                    self._start(name)
        return 0

    def close(self) -> None:
        """End what runs; the edge node first, which needs the robot to come to rest."""
        for name in reversed(list(self._processes)):
            process = self._processes[name]
            if process.poll() is None:
                # Not SIGINT: one that is still importing would tell where it was interrupted.
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            if process.poll() is None:
                process.kill()
                process.wait()

    def _start(self, name: str) -> None:
        # In sessions of their own, so that Ctrl-C reaches this process alone, which ends them.
        process = subprocess.Popen(
            self._commands[name],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._processes[name] = process
        assert process.stdout is not None
        threading.Thread(target=self._tell, args=(name, process.stdout), daemon=True).start()

    def _tell(self, name: str, output: IO[str]) -> None:
        for line in output:
            self._said[name] = line.strip()
            self._listen(name, line.rstrip())
            _print(f"{name}: {line.rstrip()}")

    def _ended(self, name: str, code: int) -> bool:
        """A node's process is gone; whether the others go on."""
        del self._processes[name]
        if code == REFUSED:
            time.sleep(_LOOK)  # for what it said last
            if name not in self._keep_going or name not in self._respawned:
                raise UserError(self._said.get(name, f"{name} refused its parameters"))
            _print(f"{name}: the robot goes on without it")  # its disk may be full
            return True
        how = f"signal {-code}" if code < 0 else f"code {code}"
        if not self._respawn:
            _print(f"{name}: ended with {how}")
            return False
        _print(f"{name}: ended with {how}; it is started again")
        self._respawned.add(name)
        self._again[name] = time.monotonic() + _RESPAWN
        return True


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # of a terminal that was closed
        print(line, flush=True)
