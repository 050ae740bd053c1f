"""Runs PyBullet under the tasks: N worlds in processes that live as long as the engine.

Coordinates, sensors and their columns are the model's, so a task does not depend on the engine.
Bullet computes motion and contacts with its default solver, `forces` the torques of motors, springs
and couplings, and `state_sensors` what the model's sensors read of that motion.
"""

import math
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, cast

import mujoco
import numpy as np

from edge_runtime.child_program import child_program
from edge_runtime.errors import UserError
from edge_runtime.signals import Bool, Float, Rows
from sim.engines.bullet.mujoco_only import refuse_unsupported
from sim.engines.bullet.shared_arrays import Layout, SharedArrays
from sim.engines.bullet.worker_job import WorkerJob
from sim.engines.bullet.world_fields import FIELDS
from sim.engines.engine import Engine
from sim.urdf.model_robot import find_model_robot
from sim.urdf.tree import Parts
from sim.urdf.write import write_urdf

MAX_PERIOD = 0.0025  # s, longest of Bullet's own steps; a physics step has as many as it takes
ANSWER_TIMEOUT = 600.0  # s; thousands of worlds on rough ground take minutes to build


class WorkerDiedError(UserError):
    """Reports that a process ended or stopped answering; `rows` are the simulations that it had."""

    def __init__(self, message: str, rows: Rows) -> None:
        super().__init__(message)
        self.rows = rows


class BulletEngine(Engine):
    """Implements `Engine` on processes.

    Args:
        model: robot and ground.
        rows: N.
        substeps: physics steps per `step`.
        processes: number of processes, 0 for one per core.
        inner: Bullet's steps within a physics step, in each of which motors read the joints; by
            default the least number that keeps them below `MAX_PERIOD`.

    Raises:
        UserError: the model has an element that Bullet cannot simulate.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        rows: int,
        *,
        substeps: int,
        processes: int = 0,
        inner: int | None = None,
    ) -> None:
        refuse_unsupported(model, find_model_robot(model))
        self.model, self.rows, self.substeps = model, rows, substeps
        layout = _layout(model, rows, substeps)
        self._memory = SharedArrays(layout)
        self._arrays = cast(dict[str, Float], self._memory.arrays)
        arrays = self._arrays
        self.qpos, self.qvel = arrays["qpos"], arrays["qvel"]
        self.external_force = arrays["external_force"]
        self.sensordata, self.burst = arrays["sensordata"], arrays["burst"]
        self.diverged: Bool = np.zeros(rows, bool)
        for name in FIELDS:
            arrays[name][:] = getattr(model, name)
        self._folder = tempfile.TemporaryDirectory(prefix="sim2edge-bullet-")
        urdf = _urdf(model, Path(self._folder.name))
        count = min(processes or len(os.sched_getaffinity(0)), rows)
        steps = inner or max(1, math.ceil(model.opt.timestep / MAX_PERIOD - 1e-9))
        shares = np.array_split(np.arange(rows), count)
        self._workers: list[_Worker] = []
        self._close = weakref.finalize(self, _end, self._workers, self._folder)
        try:
            for share in shares:
                own = slice(int(share[0]), int(share[-1]) + 1)
                job = WorkerJob(model, urdf, self._folder.name, layout, own, steps)
                self._workers.append(_Worker(job, self._memory.fd))
            os.close(self._memory.fd)  # the memory is mapped here, and open in the processes
            self._ask("start")
        except BaseException:
            self._close()
            raise

    def field(self, name: str) -> Float:
        if name not in FIELDS:
            raise UserError(
                f"Bullet's simulations cannot differ in {name}; they can in {', '.join(FIELDS)}"
            )
        return self._arrays[name]

    def step(self, control: Float) -> None:
        self._arrays["control"][:] = control
        self._ask("step")
        np.not_equal(self._arrays["diverged"], 0.0, out=self.diverged)

    def reset(self, rows: Rows, qpos: Float, qvel: Float, *, constants_changed: bool) -> None:
        """Puts n simulations in a new state, qpos (n, nq) and qvel (n, nv); their worlds are built
        anew in any case."""
        arguments: list[tuple[Any, ...] | None] = []
        for worker in self._workers:
            first, last = worker.rows.start, worker.rows.stop
            own = (rows >= first) & (rows < last)
            arguments.append((rows[own] - first, qpos[own], qvel[own]) if own.any() else None)
        self._ask("reset", arguments)
        self.diverged[rows] = False

    def state(self) -> dict[str, Any]:
        arrays = {name: array.copy() for name, array in self._arrays.items()}
        return {"arrays": arrays, "worlds": [s for own in self._ask("state") for s in own]}

    def restore(self, state: Mapping[str, Any]) -> None:
        for name, array in state["arrays"].items():
            self._arrays[name][:] = array
        np.not_equal(self._arrays["diverged"], 0.0, out=self.diverged)
        self._ask("restore", [(state["worlds"][w.rows],) for w in self._workers])

    def close(self) -> None:
        self._close()

    def _ask(self, name: str, arguments: list[tuple[Any, ...] | None] | None = None) -> list[Any]:
        """Requests something from all processes at once; an entry of None leaves one out."""
        each = arguments or [()] * len(self._workers)
        asked = [(worker, given) for worker, given in zip(self._workers, each) if given is not None]
        for worker, given in asked:
            worker.send(name, given)
        answers = [worker.receive() for worker, _ in asked]
        for answer in answers:
            if isinstance(answer, UserError):
                raise answer
        return answers


class _Worker:
    """Holds a process as the engine sees it."""

    def __init__(self, job: WorkerJob, memory: int) -> None:
        self.rows = job.rows
        self._number = 0  # number of the newest request; answers to older ones are discarded
        ours, theirs = Pipe()
        self._stderr = Path(job.folder) / f"{job.rows.start}.txt"
        command = child_program("sim.engines.bullet.worker")
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(memory)],
                pass_fds=(theirs.fileno(), memory),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # Bullet prints notices
                stderr=stderr,
                start_new_session=True,  # a signal to the terminal's group reaches the engine alone
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        theirs.close()
        self.connection: Connection[Any, Any] = ours
        try:
            self.connection.send(job)
        except OSError:
            raise self._died() from None

    def send(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._number += 1
        try:
            self.connection.send((self._number, name, arguments))
        except OSError:
            raise self._died() from None

    def receive(self) -> Any:
        """Returns the answer to the newest request."""
        while True:
            try:
                if not self.connection.poll(ANSWER_TIMEOUT):
                    self.process.kill()
                    raise self._died(f"gave no answer for {ANSWER_TIMEOUT:g} s")
                number, answer = self.connection.recv()
            except (EOFError, OSError):
                raise self._died() from None
            if number == self._number:
                return answer

    def _died(self, how: str = "") -> WorkerDiedError:
        code = self.process.wait()
        how = how or f"ended {f'by signal {-code}' if code < 0 else f'with exit code {code}'}"
        first, last = self.rows.start, self.rows.stop - 1
        which = f"simulation {first}" if first == last else f"simulations {first} to {last}"
        said = self._stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = f" ({said[-1]})" if code > 0 and said else ""
        return WorkerDiedError(
            f"the physics process of {which} {how}{why}; run it again, with fewer "
            "simulations if memory is short",
            np.arange(self.rows.start, self.rows.stop),
        )


def _urdf(model: mujoco.MjModel, folder: Path) -> str:
    parts = Parts(frames=False, visuals=False, capsules="native")
    return write_urdf(model, folder / "robot.urdf", parts=parts).read_text(encoding="utf-8")


def _end(workers: list[_Worker], folder: "tempfile.TemporaryDirectory[str]") -> None:
    """Ends the processes, which end when their connection closes, and kills those that do not."""
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        try:
            worker.process.wait(2.0)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    folder.cleanup()


def _layout(model: mujoco.MjModel, rows: int, substeps: int) -> Layout:
    shapes = {
        "qpos": (model.nq,),
        "qvel": (model.nv,),
        "control": (substeps, model.nu),
        "external_force": (model.nbody, 6),
        "sensordata": (model.nsensordata,),
        "burst": (substeps, model.nsensordata),
        "diverged": (),
    }
    shapes |= {name: getattr(model, name).shape for name in FIELDS}
    return {name: ((rows, *shape), "float64") for name, shape in shapes.items()}
