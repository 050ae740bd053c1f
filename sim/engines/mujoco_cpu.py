"""Runs MuJoCo on CPU threads: N simulations of one model, stepped by `mujoco.batch`."""

from collections.abc import Mapping

import mujoco
import numpy as np
import numpy.typing as npt
from mujoco.batch import Batch

from edge_runtime.signals import Bool, Float, Rows
from sim.engines.engine import Engine

_CTRL = int(mujoco.mjtState.mjSTATE_CTRL)
# mj_step reads these and does not compute them from others: they are saved for bit-equal
# resumption.
_STATE = ("time", "qpos", "qvel", "act", "qacc_warmstart", "ctrl", "xfrc_applied")


class MujocoEngine(Engine):
    """Implements `Engine` on threads.

    Args:
        model: the compiled model, shared by all simulations.
        rows: N.
        substeps: physics steps per `step`.
        threads: number of worker threads, 0 for all cores.
    """

    def __init__(
        self, model: mujoco.MjModel, rows: int, *, substeps: int, threads: int = 0
    ) -> None:
        self.model = model
        self.rows = rows
        self.substeps = substeps
        self.batch = Batch(model, rows, threads)
        self._initial = self.batch.state[0].copy()
        self.qpos: Float = self.batch.bind("qpos")
        self.qvel: Float = self.batch.bind("qvel")
        self.external_force: Float = self.batch.bind("xfrc_applied")
        self._latest: Float = self.batch.bind("sensordata")
        self._record = {"sensordata": np.zeros((rows, substeps, model.nsensordata))}
        self._expanded: dict[str, Float] = {}
        self.diverged: Bool = np.zeros(rows, bool)
        _disable_log_file()
        self.batch.forward()
        self.sensordata: Float = self._latest.copy()
        self.burst: Float = self._record["sensordata"]
        self.burst[:] = self.sensordata[:, None]

    def field(self, name: str) -> Float:
        if name not in self._expanded:
            self._expanded[name] = self.batch.expand(name)
        return self._expanded[name]

    def step(self, control: Float) -> None:
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
        """Returns how many warnings each simulation has had, (N,)."""
        return self.batch.warning[:, :, 1].sum(axis=1)

    def reset(self, rows: Rows, qpos: Float, qvel: Float, *, constants_changed: bool) -> None:
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
        state = {f"data.{name}": self.batch.bind(name).copy() for name in _STATE}
        state |= {f"model.{name}": value.copy() for name, value in self._expanded.items()}
        return state | {"sensordata": self.sensordata.copy(), "burst": self.burst.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[np.float64]]) -> None:
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


def _disable_log_file() -> None:
    """Keeps MuJoCo from leaving a MUJOCO_LOG.TXT in the user's folder."""
    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    mujoco.MjLogConfig.set(config)
