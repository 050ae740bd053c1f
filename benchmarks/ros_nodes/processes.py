"""Processes of a ROS graph in a domain of their own: started, watched, ended. Part of `ros.py`."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 90.0  # s; an estimator may have to be compiled
_GRACE = 20.0  # s to end; a robot comes to rest first
FIFO = 50  # of the control loop; the robot's is one less, as of `sim2edge run`


def use_own_domain() -> None:
    """Let this process, and those that it starts, talk to each other alone."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)  # up to 101 their ports are free
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["PYTHONUNBUFFERED"] = "1"


def wait_until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Look until something is so.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"never: {what}")
        time.sleep(0.01)


def processor_seconds(pid: int) -> float:
    """What a process has taken, of user's and system's time; see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Running:
    """A process and what it says.

    Args:
        command: what to start.
    """

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def until_said(self, what: str, times: int = 1) -> None:
        """Wait until that many lines contain this.

        Raises:
            RuntimeError: it ended before.
        """

        def said() -> bool:
            if sum(what in line for line in list(self.lines)) >= times:
                return True
            if self.process.poll() is not None:
                raise RuntimeError("it ended:\n" + "\n".join(self.lines))
            return False

        wait_until(said, f"'{what}' was said; but\n" + "\n".join(self.lines))

    @property
    def seconds(self) -> float:
        """Processor time that it has taken."""
        return processor_seconds(self.process.pid)

    def end(self) -> None:
        """As by Ctrl-C, and if that does not help, for good."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(command: list[str]) -> Iterator[Running]:
    """A process that ends with the block."""
    process = Running(command)
    try:
        yield process
    finally:
        process.end()


def node_command(module: str, parameters: Mapping[str, object]) -> list[str]:
    """The command line of one of our nodes."""
    command = [sys.executable, "-m", module, "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    return command


@contextmanager
def edge_node(policy: bytes, **parameters: object) -> Iterator[Running]:
    """The edge node of the humanoid with a policy, active as soon as its robot is there."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.onnx"
        file.write_bytes(policy)
        given = {"robot": "humanoid", "policy": file, "autostart": "true", "fifo": FIFO}
        command = node_command("sim2edge_ros.edge.edge_node", given | parameters)
        with running(command) as node:
            node.until_said("]: active")
            yield node
