"""MuJoCo on CPU threads: N simulations of one model, stepped by `mujoco.batch`."""

from collections.abc import Mapping

import mujoco
import numpy as np
import numpy.typing as npt
from mujoco.batch import Batch

from sim.engines.engine import Bool, Engine, Float, Rows

_CTRL = int(mujoco.mjtState.mjSTATE_CTRL)
# What mj_step reads and is not recomputed from the rest: saved for bit-equal resumption.
_STATE = ("time", "qpos", "qvel", "act", "qacc_warmstart", "ctrl", "xfrc_applied")


class MujocoEngine(Engine):
    """An `Engine` on threads.

    Args:
        model: the compiled model, shared by all simulations.
        rows: N.
        substeps: physics steps per `step`.
        threads: worker threads, 0 for all cores.
    """

    def __init__(
        self, model: mujoco.MjModel, rows: int, *, substeps: int, threads: int = 0
    ) -> None:
        self.model = model
        self.rows = rows
        self.substeps = substeps
        self.batch = Batch(model, rows, threads)
        self._initial = self.batch.state[0].copy()
        self.qpos: Float = self.batch.bind("qpos")  # (N, nq), writable
        self.qvel: Float = self.batch.bind("qvel")  # (N, nv), writable
        self.external_force: Float = self.batch.bind("xfrc_applied")  # (N, bodies, 6) N, Nm, world
        self._latest: Float = self.batch.bind("sensordata")
        self._record = {"sensordata": np.zeros((rows, substeps, model.nsensordata))}
        self._expanded: dict[str, Float] = {}
        self.diverged: Bool = np.zeros(rows, bool)  # whose last `step` broke off, (N,)
        _warn_on_the_console_alone()
        self.batch.forward()
        self.sensordata: Float = self._latest.copy()  # (N, nsensordata)
        self.burst: Float = self._record["sensordata"]  # (N, substeps, nsensordata)
        self.burst[:] = self.sensordata[:, None]

    def field(self, name: str) -> Float:
        """Live per-simulation values of a model field, (N, ...), for randomization."""
        if name not in self._expanded:
            self._expanded[name] = self.batch.expand(name)
        return self._expanded[name]

    def step(self, control: Float) -> None:
        """Advance all simulations by `substeps`.

        As with mj_step, sensors describe the state before the last substep. A simulation that
        diverges is put back to the model's initial state by MuJoCo, with finite values, and stays
        there for the rest of the step; `diverged` tells which did.

        Args:
            control: actuator inputs for each substep, (N, substeps, nu).
        """
        before = self._warnings()
        self.batch.rollout(
            self.substeps,
            control=control,
            control_spec=_CTRL,
            record=("sensordata",),
            out=self._record,
        )
        np.not_equal(self._warnings(), before, out=self.diverged)
        self.sensordata[:] = self.burst[:, -1]

    def _warnings(self) -> npt.NDArray[np.int64]:
        """How many each simulation has had, (N,)."""
        return self.batch.warning[:, :, 1].sum(axis=1)

    def reset(self, rows: Rows, qpos: Float, qvel: Float, *, constants_changed: bool) -> None:
        """Put some simulations in a new state and read their sensors.

        Args:
            rows: which simulations, (n,).
            qpos: (n, nq).
            qvel: (n, nv).
            constants_changed: whether masses or other fields that derived constants depend on
                were written since the last reset of these rows.
        """
        self.batch.state[rows] = self._initial  # as Batch.reset, without another round of threads
        if constants_changed:
            self.batch.set_const(ids=rows)
        self.qpos[rows] = qpos
        self.qvel[rows] = qvel
        self.batch.forward(ids=rows)
        self.diverged[rows] = False
        self.sensordata[rows] = self._latest[rows]
        self.burst[rows] = self._latest[rows, None]

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """Everything needed to go on bit-equal."""
        state = {f"data.{name}": self.batch.bind(name).copy() for name in _STATE}
        state |= {f"model.{name}": value.copy() for name, value in self._expanded.items()}
        return state | {"sensordata": self.sensordata.copy(), "burst": self.burst.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Go on from a `state`."""
        fields = [name for name in state if name.startswith("model.")]
        for name in fields:
            self.field(name.removeprefix("model."))[:] = state[name]
        if fields:
            self.batch.set_const()
        for name in _STATE:
            self.batch.bind(name)[:] = state[f"data.{name}"]
        self.sensordata[:] = state["sensordata"]
        self.burst[:] = state["burst"]

    def close(self) -> None:
        pass


def _warn_on_the_console_alone() -> None:
    """Keep MuJoCo from leaving a MUJOCO_LOG.TXT in whatever folder the user is in."""
    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    mujoco.MjLogConfig.set(config)
