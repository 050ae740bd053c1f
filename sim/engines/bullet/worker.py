"""Steps some of the worlds in a process: `python -m sim.engines.bullet.worker SOCKET MEMORY`.

The process lives as long as the other end of its socket.
"""

import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Float, Rows
from edge_runtime.stop_signals import stop_signals
from sim.engines.bullet.shared_arrays import SharedArrays
from sim.engines.bullet.worker_job import WorkerJob
from sim.engines.bullet.worlds import Worlds


def main(arguments: list[str]) -> int:
    """Serves until the other end closes."""
    for number in stop_signals():  # the engine's process decides, and ends this one
        signal.signal(number, signal.SIG_IGN)
    socket, memory = (int(number) for number in arguments)
    connection = Connection(socket)
    try:
        serve(connection, connection.recv(), memory)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 0
    return 0


def serve(connection: "Connection[Any, Any]", job: WorkerJob, memory: int) -> None:
    """Answers each (number, name, arguments) with (number, result or UserError)."""
    server = _Server(job, memory)
    while True:
        number, name, arguments = connection.recv()
        try:
            answer: Any = getattr(server, name)(*arguments)
        except UserError as error:
            answer = error
        connection.send((number, answer))


class _Server:
    """Answers the requests that the engine can make."""

    def __init__(self, job: WorkerJob, memory: int) -> None:
        self._job = job
        arrays = SharedArrays(job.layout, memory).arrays
        self._arrays: Mapping[str, Float] = {
            name: array[job.rows].view(np.float64) for name, array in arrays.items()
        }

    def start(self) -> None:
        """Builds the worlds."""
        job = self._job
        folder = Path(job.folder)
        self._worlds = Worlds(job.model, job.urdf, folder, self._arrays, job.inner)

    def step(self) -> None:
        self._worlds.step()

    def reset(self, rows: Rows, qpos: Float, qvel: Float) -> None:
        self._worlds.reset(rows, qpos, qvel)

    def state(self) -> list[bytes]:
        return self._worlds.state()

    def restore(self, states: list[bytes]) -> None:
        self._worlds.restore(states)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
