"""Reads the model's sensors from a state that Bullet has computed.

MuJoCo's sensor functions alone define what a sensor of the MJCF is: its frame, sign, unit and
cutoff. They are given Bullet's motion: positions and velocities, accelerations as the change of
velocity over a physics step, motor forces and contact forces. No dynamics is MuJoCo's.
"""

from collections.abc import Iterable

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Float

_KIND = mujoco.mjtSensor
# Sensors of accelerations and forces that can be computed from Bullet's state.
_FORCE_SENSORS = (
    _KIND.mjSENS_TOUCH,
    _KIND.mjSENS_ACCELEROMETER,
    _KIND.mjSENS_ACTUATORFRC,
    _KIND.mjSENS_FRAMELINACC,
    _KIND.mjSENS_FRAMEANGACC,
)

Contact = tuple[int, Float, Float, float]
"""Body, point (3,) and direction (3,) of the force on it, both in the world, and force in N."""


class StateSensors:
    """Reads all sensors of one state at a time.

    Args:
        model: the model that has the sensors.

    Raises:
        UserError: a sensor cannot be computed from Bullet's state.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._touch = []  # column, site, body
        for s in range(model.nsensor):
            kind, adr = _KIND(model.sensor_type[s]), int(model.sensor_adr[s])
            forces = model.sensor_needstage[s] == int(mujoco.mjtStage.mjSTAGE_ACC)
            if forces and kind not in _FORCE_SENSORS:
                raise UserError(
                    f"sensor '{model.sensor(s).name}' reads forces that only MuJoCo computes; both "
                    "engines have touch, accelerometer and actuatorfrc"
                )
            if kind == _KIND.mjSENS_TOUCH:
                site = int(model.sensor_objid[s])
                self._touch.append((adr, site, int(model.site_bodyid[site])))
        # Bodies whose contacts are read
        self.touched = frozenset(body for _, _, body in self._touch)

    def read(
        self,
        qpos: Float,
        qvel: Float,
        qacc: Float,
        speed: Float,
        force: Float,
        contacts: Iterable[Contact],
        out: Float,
    ) -> None:
        """Writes the values of all sensors in one state.

        Args:
            qpos: (nq,).
            qvel: (nv,).
            qacc: (nv,).
            speed: the speed of the actuators, (nu,).
            force: the force of the actuators, (nu,).
            contacts: in this state, of the bodies in `touched`.
            out: written, (nsensordata,).
        """
        model, data = self._model, self._data
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos, qvel, qacc
        data.actuator_velocity[:], data.actuator_force[:] = speed, force
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        if model.ntendon:
            mujoco.mj_tendon(model, data)
        mujoco.mj_transmission(model, data)
        mujoco.mj_sensorPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_sensorVel(model, data)
        mujoco.mj_rnePostConstraint(model, data)
        mujoco.mj_sensorAcc(model, data)
        out[:] = data.sensordata
        for column, site, body in self._touch:
            out[column] = self._touched(site, body, contacts)

    def _touched(self, site: int, body: int, contacts: Iterable[Contact]) -> float:
        """Returns the sum of the forces whose line meets the site's shape, as MuJoCo defines it, in
        N."""
        model, data, total = self._model, self._data, 0.0
        at, turn = data.site_xpos[site], data.site_xmat[site]
        size, shape = model.site_size[site], int(model.site_type[site])
        for touched, point, direction, force in contacts:
            if touched != body:
                continue
            if mujoco.mju_rayGeom(at, turn, size, point, -direction, shape, np.zeros(3)) >= 0:
                total += force
        return total
