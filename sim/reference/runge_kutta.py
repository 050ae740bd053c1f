"""Runs MuJoCo's RK4 on CPU threads, with the contact forces of its last stage.

`mj_step` with the RK4 integrator evaluates the dynamics four times and leaves behind what the last
stage computed. `mj_rnePostConstraint` called after it gives `cfrc_ext` of that stage, which a batch
cannot be asked for: its sensors belong to the first stage. So the last physics step of a control
step is taken stage by stage, every stage an `mj_forward` of the batch. The result is bit-equal to
`mj_step` (a test holds this).
"""

from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np
import numpy.typing as npt
from mujoco.batch import Batch

from edge_runtime.fusion.compiled import compiled
from edge_runtime.signals import Float, Rows

_NODES = (0.5, 0.5, 1.0)  # of the stages after the first, each of which starts from the one before
_WEIGHTS = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
_MINIMUM = 1e-15  # mjMINVAL
_FREE, _BALL = int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)
_STATE = ("time", "qpos", "qvel", "qacc_warmstart", "ctrl")


class RungeKuttaEngine:
    """Steps N simulations; bound fields are those after `mj_step` and `mj_rnePostConstraint`.

    Args:
        path: MJCF of a model with the RK4 integrator and without actuator activations.
        rows: N.
        substeps: physics steps per `step`.
        threads: worker threads, 0 for all cores.

    Raises:
        ValueError: the model is not such a one.
    """

    def __init__(self, path: Path, rows: int, *, substeps: int, threads: int = 0) -> None:
        self.model = _model_with_contact_forces(path)
        if self.model.opt.integrator != mujoco.mjtIntegrator.mjINT_RK4 or self.model.na:
            raise ValueError(f"{path}: needs the RK4 integrator and no actuator activations")
        self.rows, self.substeps = rows, substeps
        self.batch = Batch(self.model, rows, threads)
        self.qpos: Float = self.batch.bind("qpos")  # (N, nq), writable
        self.qvel: Float = self.batch.bind("qvel")  # (N, nv), writable
        self._qacc: Float = self.batch.bind("qacc")
        self._warmstart: Float = self.batch.bind("qacc_warmstart")
        self._control: Float = self.batch.bind("ctrl")
        self._time: Float = self.batch.bind("time")
        self._joints = (self.model.jnt_type, self.model.jnt_qposadr, self.model.jnt_dofadr)

    def bind(self, name: str) -> Float:
        """Returns a live view of an MjData field, (N, ...)."""
        field: Float = self.batch.bind(name)
        return field

    def step(self, control: Float) -> None:
        """Advances all simulations by `substeps`.

        Args:
            control: actuator inputs, (N, nu), the same in every substep.
        """
        self._control[:] = control
        first = mujoco.mjtStage.mjSTAGE_ACC
        if self.substeps > 1:
            self.batch.step(nstep=self.substeps - 1, stage=first)
        else:
            self.batch.forward()
        h = self.model.opt.timestep
        warmstart = self._warmstart.copy()
        position, velocity = self.qpos.copy(), self.qvel.copy()
        stage_velocity, stage_acceleration = velocity, self._qacc.copy()
        mean_velocity = _WEIGHTS[0] * velocity
        mean_acceleration = _WEIGHTS[0] * stage_acceleration
        for node, weight in zip(_NODES, _WEIGHTS[1:]):
            _integrate(position, node * stage_velocity, h, *self._joints, self.qpos)
            stage_velocity = velocity + h * (node * stage_acceleration)
            self.qvel[:] = stage_velocity
            self._warmstart[:] = warmstart
            self.batch.forward()
            stage_acceleration = self._qacc.copy()
            mean_velocity += weight * stage_velocity
            mean_acceleration += weight * stage_acceleration
        _integrate(position, mean_velocity, h, *self._joints, self.qpos)
        self.qvel[:] = velocity + h * mean_acceleration
        self._warmstart[:] = stage_acceleration
        self._time += h

    def reset(self, rows: Rows, qpos: Float, qvel: Float) -> None:
        """Puts some simulations in a new state and updates their fields.

        Args:
            rows: which simulations, (n,).
            qpos: (n, nq).
            qvel: (n, nv).
        """
        self.batch.reset(ids=rows, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self.qpos[rows] = qpos
        self.qvel[rows] = qvel
        self.batch.forward(ids=rows)

    def state(self) -> dict[str, Float]:
        """Returns everything that a bit-equal continuation needs."""
        return {name: self.batch.bind(name).copy() for name in _STATE}

    def restore(self, state: Mapping[str, Float]) -> None:
        """Restores a state that `state` returned."""
        for name in _STATE:
            self.batch.bind(name)[:] = state[name]


def _model_with_contact_forces(path: Path) -> mujoco.MjModel:
    """Returns the model with an acceleration sensor, for which mj_forward computes `cfrc_ext`."""
    spec = mujoco.MjSpec.from_file(str(path))
    spec.add_sensor(
        type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        objname=spec.bodies[1].name,
    )
    return spec.compile()


@compiled
def _integrate(
    start: Float,
    velocity: Float,
    h: float,
    joint_type: npt.NDArray[np.int32],
    position_address: npt.NDArray[np.int32],
    velocity_address: npt.NDArray[np.int32],
    out: Float,
) -> None:
    """Does mj_integratePos for all rows: out = start ⊕ h * velocity."""
    for row in range(start.shape[0]):
        q, v, result = start[row], velocity[row], out[row]
        for joint in range(joint_type.shape[0]):
            p, d = position_address[joint], velocity_address[joint]
            if joint_type[joint] == _FREE:
                for k in range(3):
                    result[p + k] = q[p + k] + h * v[d + k]
                _rotate(q[p + 3 : p + 7], v[d + 3 : d + 6], h, result[p + 3 : p + 7])
            elif joint_type[joint] == _BALL:
                _rotate(q[p : p + 4], v[d : d + 3], h, result[p : p + 4])
            else:
                result[p] = q[p] + h * v[d]


@compiled
def _rotate(quaternion: Float, velocity: Float, h: float, out: Float) -> None:
    """Does mju_quatIntegrate, operation by operation, for equal bits."""
    x, y, z = velocity
    speed = np.sqrt(x * x + y * y + z * z)
    if speed < _MINIMUM:
        x, y, z = 1.0, 0.0, 0.0
    else:
        inverse = 1 / speed
        x, y, z = x * inverse, y * inverse, z * inverse
    angle = h * speed
    sine = np.sin(angle * 0.5)
    c = np.cos(angle * 0.5)
    x, y, z = x * sine, y * sine, z * sine
    qw, qx, qy, qz = quaternion
    norm = np.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
    if abs(norm - 1) > _MINIMUM:
        inverse = 1 / norm
        qw, qx, qy, qz = qw * inverse, qx * inverse, qy * inverse, qz * inverse
    out[0] = qw * c - qx * x - qy * y - qz * z
    out[1] = qw * x + qx * c + qy * z - qz * y
    out[2] = qw * y - qx * z + qy * c + qz * x
    out[3] = qw * z + qx * y - qy * x + qz * c
