"""Starts, watches and ends processes of a ROS graph in a domain of their own. Part of `ros.py`."""

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
FIFO = 50  # of the control loop; the robot's is one less, as in `sim2edge run`


def use_own_domain() -> None:
    """Lets this process, and those that it starts, communicate with each other alone."""
    # Up to 101 the domains' ports are free
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["PYTHONUNBUFFERED"] = "1"


def wait_until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Waits until `holds` is true.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"never: {what}")
        time.sleep(0.01)


def processor_seconds(pid: int) -> float:
    """Returns the user and system time of a process, s; see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Running:
    """Holds a process and its output.

    Args:
        command: what to start.
        environment: variables to set beside those of this process.
    """

    def __init__(self, command: list[str], **environment: str) -> None:
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
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
        """Waits until that many lines contain `what`.

        Raises:
            RuntimeError: the process ended before.
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
        """Returns the processor time that it has used."""
        return processor_seconds(self.process.pid)

    def end(self) -> None:
        """Ends the process as Ctrl-C does, and kills it if that does not help."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(command: list[str]) -> Iterator[Running]:
    """Runs a process that ends with the block."""
    process = Running(command)
    try:
        yield process
    finally:
        process.end()


def node_command(module: str, parameters: Mapping[str, object]) -> list[str]:
    """Returns the command line of one of our nodes."""
    command = [sys.executable, "-m", module, "--ros-args"]
    for name, value in parameters.items():
        command += ["-p", f"{name}:={value}"]
    return command


@contextmanager
def running_edge_node(policy: bytes, **parameters: object) -> Iterator[Running]:
    """Runs the humanoid's edge node with a policy, active as soon as its robot is there."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.onnx"
        file.write_bytes(policy)
        given = {"robot": "humanoid", "policy": file, "autostart": "true", "fifo": FIFO}
        command = node_command("sim2edge_ros.edge.edge_node", given | parameters)
        with running(command) as node:
            node.until_said("]: active")
            yield node
