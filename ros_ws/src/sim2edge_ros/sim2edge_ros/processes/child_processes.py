"""Runs nodes as processes: starts them together, restarts those that fail, ends them in order."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from edge_runtime.console import plain
from edge_runtime.errors import UserError
from sim2edge_ros.node_process import REFUSED

# s that a node gets to end. The edge node brings the robot to rest first, which takes 2 s, a
# controlled stop of 10 s at most, and 3 s of patience.
GRACE = 25.0
_LOOK = 0.1  # s between two looks at the processes
_RESPAWN = 1.0  # s before a node that failed is restarted


class ChildProcesses:
    """Supervises the processes of a graph's nodes.

    Args:
        commands: command line of each node, in the order of starting.
        environment: environment variables of all nodes.
        respawn: whether a node that fails is restarted.
        keep_going: nodes without which the others go on, if they are refused after a failure.
        listen: called with a node's name and each line of its output, from threads of their own.
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
        self._again: dict[str, float] = {}  # monotonic s at which a node is restarted
        self._respawned: set[str] = set()
        self._last_line: dict[str, str] = {}  # the last line of each node's output

    def run(self, seconds: float, ending: threading.Event) -> int:
        """Runs until the time is over, `ending` is set, or a node ends for good.

        It must run in the longest-lived thread, for the nodes end with the thread that started
        them.

        Args:
            seconds: how long to run; 0 for no limit.
            ending: set when the end is asked for.

        Returns:
            The exit code: 1 if a node ended for good.

        Raises:
            UserError: a node refused its parameters.
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
        """Ends the running nodes; the edge node first, while the robot is there to come to rest."""
        for name in reversed(list(self._processes)):
            process = self._processes[name]
            if process.poll() is None:
                # Not SIGINT: a node that is still importing would print where it was interrupted.
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            if process.poll() is None:
                process.kill()
                process.wait()

    def _start(self, name: str) -> None:
        # Sessions of their own let Ctrl-C reach this process alone, which ends them.
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
        threading.Thread(target=self._read_output, args=(name, process.stdout), daemon=True).start()

    def _read_output(self, name: str, output: IO[str]) -> None:
        for line in output:
            self._last_line[name] = line.strip()
            self._listen(name, line.rstrip())
            _print(f"{name}: {plain(line.rstrip())}")

    def _ended(self, name: str, code: int) -> bool:
        """Handles the end of a node's process; returns whether the others go on."""
        del self._processes[name]
        if code == REFUSED:
            time.sleep(_LOOK)  # lets its last line arrive
            if name not in self._keep_going or name not in self._respawned:
                raise UserError(self._last_line.get(name, f"{name} refused its parameters"))
            _print(f"{name}: the robot goes on without it")  # the recorder's disk may be full
            return True
        how = f"signal {-code}" if code < 0 else f"code {code}"
        if not self._respawn:
            _print(f"{name}: ended with {how}")
            return False
        _print(f"{name}: ended with {how}; it is restarted")
        self._respawned.add(name)
        self._again[name] = time.monotonic() + _RESPAWN
        return True


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal was closed
        print(line, flush=True)
