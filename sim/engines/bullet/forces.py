"""Computes the torques of motors, springs, dampers and couplings, as the MJCF describes them.

PyBullet's own motors are velocity constraints, which hold against any load; an MJCF actuator is a
force law. So all of these are computed here and passed to Bullet as joint torques.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.polynomial.polynomial import polyder, polyval

from edge_runtime.errors import UserError
from edge_runtime.signals import Float


@dataclass(frozen=True)
class _Coupling:
    """Couples a joint to a polynomial of another by a spring and a damper."""

    position: tuple[int, int]  # of the follower and the leader, in qpos
    velocity: tuple[int, int]  # of the follower and the leader, in qvel
    rest: tuple[float, float]  # their positions in the reference pose
    polynomial: Float  # (5,), lowest power first
    stiffness: float
    damping: float


class JointForces:
    """Computes the joint torques of many worlds.

    Args:
        model: the robot.

    Raises:
        UserError: the robot has actuators or couplings that Bullet's joints cannot have.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._moment = _moment(model)  # (nu, nv), torque per force
        kinds = mujoco.mjtJoint
        plain = np.isin(model.jnt_type, [int(kinds.mjJNT_HINGE), int(kinds.mjJNT_SLIDE)])
        self._joints = np.flatnonzero(plain)
        self._position = model.jnt_qposadr[self._joints]
        self._velocity = model.jnt_dofadr[self._joints]
        self._spring = model.qpos_spring[self._position]
        self._input = np.where(model.actuator_ctrllimited[:, None], model.actuator_ctrlrange, _ALL)
        self._limited = model.actuator_forcelimited.astype(bool)[:, None]
        self._couplings = [_coupling(model, e) for e in range(model.neq) if model.eq_active0[e]]
        self._check(model)

    def actuators(
        self, qpos: Float, qvel: Float, control: Float, fields: dict[str, Float]
    ) -> tuple[Float, Float]:
        """Returns speed and force of each actuator, (K, nu) each.

        Args:
            qpos: (K, nq).
            qvel: (K, nv).
            control: (K, nu).
            fields: values of the model's fields, (K, ...) each.
        """
        moment = self._moment[:, self._velocity]
        length = qpos[:, self._position] @ moment.T
        speed = qvel @ self._moment.T
        gain, bias = fields["actuator_gainprm"], fields["actuator_biasprm"]
        inputs = np.clip(control, *self._input.T)
        force = gain[:, :, 0] * inputs + bias[:, :, 0]
        force += bias[:, :, 1] * length
        force += bias[:, :, 2] * speed
        limit = np.where(self._limited, fields["actuator_forcerange"], _ALL)
        return speed, np.clip(force, limit[:, :, 0], limit[:, :, 1])

    def torques(self, qpos: Float, qvel: Float, force: Float, fields: dict[str, Float]) -> Float:
        """Returns the torque or force on every degree of freedom, (K, nv).

        Args:
            qpos: (K, nq).
            qvel: (K, nv).
            force: the force of the actuators, (K, nu).
            fields: values of the model's fields, (K, ...) each.
        """
        torque: Float = force @ self._moment
        torque -= fields["dof_damping"] * qvel
        stretched = qpos[:, self._position] - self._spring
        torque[:, self._velocity] -= fields["jnt_stiffness"][:, self._joints] * stretched
        for c in self._couplings:
            self._couple(c, qpos, qvel, torque)
        return torque

    def _couple(self, c: _Coupling, qpos: Float, qvel: Float, torque: Float) -> None:
        leader = qpos[:, c.position[1]] - c.rest[1]
        slope = polyval(leader, polyder(c.polynomial))
        wanted = polyval(leader, c.polynomial)
        apart = qpos[:, c.position[0]] - c.rest[0] - wanted
        closing = qvel[:, c.velocity[0]] - slope * qvel[:, c.velocity[1]]
        pull = c.stiffness * apart + c.damping * closing
        torque[:, c.velocity[0]] -= pull
        torque[:, c.velocity[1]] += slope * pull

    def _check(self, model: mujoco.MjModel) -> None:
        kinds = mujoco.mjtGain, mujoco.mjtBias, mujoco.mjtDyn
        for a in range(model.nu):
            given = (
                model.actuator_gaintype[a],
                model.actuator_biastype[a],
                model.actuator_dyntype[a],
            )
            gain, bias, dynamics = (kind(number) for kind, number in zip(kinds, given))
            if (
                gain != mujoco.mjtGain.mjGAIN_FIXED
                or bias not in (mujoco.mjtBias.mjBIAS_NONE, mujoco.mjtBias.mjBIAS_AFFINE)
                or dynamics != mujoco.mjtDyn.mjDYN_NONE
            ):
                raise UserError(
                    f"actuator '{model.actuator(a).name}' is neither motor, position nor velocity "
                    "servo, the kinds that both engines support"
                )


_ALL = np.array([-np.inf, np.inf])


def _moment(model: mujoco.MjModel) -> Float:
    """Returns the torque on each degree of freedom per force of each actuator, (nu, nv)."""
    moment = np.zeros((model.nu, model.nv))
    kinds = mujoco.mjtTrn
    for a in range(model.nu):
        kind, target = mujoco.mjtTrn(model.actuator_trntype[a]), int(model.actuator_trnid[a, 0])
        gear = float(model.actuator_gear[a, 0])
        if kind in (kinds.mjTRN_JOINT, kinds.mjTRN_JOINTINPARENT):
            moment[a, model.jnt_dofadr[target]] = gear
        elif kind == kinds.mjTRN_TENDON:
            moment[a] = gear * _tendon(model, target)
        else:
            raise UserError(
                f"actuator '{model.actuator(a).name}' drives neither a joint nor a fixed tendon, "
                "the targets that both engines support"
            )
    return moment


def _tendon(model: mujoco.MjModel, tendon: int) -> Float:
    """Returns the change of a fixed tendon's length per joint position, (nv,)."""
    row = np.zeros(model.nv)
    first, count = int(model.tendon_adr[tendon]), int(model.tendon_num[tendon])
    for wrap in range(first, first + count):
        if mujoco.mjtWrap(model.wrap_type[wrap]) != mujoco.mjtWrap.mjWRAP_JOINT:
            name = model.tendon(tendon).name
            raise UserError(f"tendon '{name}' is spatial; both engines can have fixed ones only")
        row[model.jnt_dofadr[model.wrap_objid[wrap]]] = model.wrap_prm[wrap]
    return row


def _coupling(model: mujoco.MjModel, equality: int) -> _Coupling:
    """Converts MuJoCo's soft constraint to a spring and a damper on the inertia that it moves.

    `solref` is a time constant and a damping ratio; see "Solver parameters" in MuJoCo's manual.
    """
    name = model.equality(equality).name
    follower, leader = int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])
    if mujoco.mjtEq(model.eq_type[equality]) != mujoco.mjtEq.mjEQ_JOINT or leader < 0:
        raise UserError(
            f"equality '{name}' is not a coupling of two joints, the only kind that both "
            "engines support"
        )
    time_constant, damping_ratio = model.eq_solref[equality, :2]
    if time_constant <= 0:
        raise UserError(f"equality '{name}': give solref as a time constant and a damping ratio")
    impedance = model.eq_solimp[equality, 1]
    joints = (follower, leader)
    position = tuple(int(model.jnt_qposadr[j]) for j in joints)
    velocity = tuple(int(model.jnt_dofadr[j]) for j in joints)
    inertia = 1.0 / sum(float(model.dof_invweight0[v]) for v in velocity)
    return _Coupling(
        position=(position[0], position[1]),
        velocity=(velocity[0], velocity[1]),
        rest=(float(model.qpos0[position[0]]), float(model.qpos0[position[1]])),
        polynomial=model.eq_data[equality, :5].copy(),
        stiffness=inertia / (impedance * (time_constant * damping_ratio) ** 2),
        damping=2.0 * inertia / (impedance * time_constant),
    )
