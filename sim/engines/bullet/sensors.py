"""The model's sensors, read from a state that Bullet has computed.

What a sensor of the MJCF is, its frame, sign, unit and cutoff, is defined once, by MuJoCo's sensor
functions. They are fed with what another engine moved: positions and velocities, accelerations as
the change of velocity over a physics step, motor forces, contact forces. No dynamics is MuJoCo's.
"""

from collections.abc import Iterable

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from sim.engines.engine import Float

_KIND = mujoco.mjtSensor
# Of those that depend on accelerations and forces, the ones that can be told from Bullet's state.
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
        model: whose sensors.

    Raises:
        UserError: it has a sensor that cannot be told from Bullet's state.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._touch = []  # column, site, body
        for s in range(model.nsensor):
            kind, adr = _KIND(model.sensor_type[s]), int(model.sensor_adr[s])
            forces = model.sensor_needstage[s] == int(mujoco.mjtStage.mjSTAGE_ACC)
            if forces and kind not in _FORCE_SENSORS:
                raise UserError(
                    f"sensor '{model.sensor(s).name}' reads forces that only MuJoCo tells; both "
                    "engines have touch, accelerometer and actuatorfrc"
                )
            if kind == _KIND.mjSENS_TOUCH:
                site = int(model.sensor_objid[s])
                self._touch.append((adr, site, int(model.site_bodyid[site])))
        self.touched = frozenset(body for _, _, body in self._touch)  # whose contacts count

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
        """Write the sensors of one state.

        Args:
            qpos: (nq,).
            qvel: (nv,).
            qacc: (nv,).
            speed: of the actuators, (nu,).
            force: of the actuators, (nu,).
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
        """Sum of the forces whose line meets the site's shape, as MuJoCo has it, N."""
        model, data, total = self._model, self._data, 0.0
        at, turn = data.site_xpos[site], data.site_xmat[site]
        size, shape = model.site_size[site], int(model.site_type[site])
        for touched, point, direction, force in contacts:
            if touched != body:
                continue
            if mujoco.mju_rayGeom(at, turn, size, point, -direction, shape, np.zeros(3)) >= 0:
                total += force
        return total
