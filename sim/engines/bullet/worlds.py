"""Steps the worlds of one process in turn, and computes what they share in one array."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np

from edge_runtime.rotations import multiply, rotation_matrix
from edge_runtime.signals import Float, Rows
from sim.engines.bullet.contact_rules import ContactRules
from sim.engines.bullet.forces import JointForces
from sim.engines.bullet.state_sensors import Contact, StateSensors
from sim.engines.bullet.world import World, WorldConfig
from sim.engines.bullet.world_fields import AT_RESET, FIELDS
from sim.engines.bullet.world_urdf import WorldUrdf

_DIVERGED = 1e4  # rad/s or m/s, far beyond any robot's speed


class Worlds:
    """Steps K worlds of one model.

    Args:
        model: robot and ground.
        urdf: the robot's URDF.
        folder: where to write the worlds' own robots.
        arrays: K rows each, shared with other processes; named as in `BulletEngine`.
        inner: Bullet's steps within a physics step.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        urdf: str,
        folder: Path,
        arrays: Mapping[str, Float],
        inner: int,
    ) -> None:
        self._model, self._arrays, self._inner = model, arrays, inner
        self._fields = {name: arrays[name] for name in FIELDS}
        self._qpos, self._qvel = arrays["qpos"], arrays["qvel"]
        self._robot, self._contacts = WorldUrdf(model, urdf), ContactRules(model)
        self._forces, self._sensors = JointForces(model), StateSensors(model)
        self._period = model.opt.timestep
        config = WorldConfig(model, self._robot, self._contacts, self._period / inner)
        count = len(self._qpos)
        self._worlds = [World(config) for _ in range(count)]
        self._file = folder / f"{os.getpid()}.urdf"
        self._moving = [j for j in range(model.njnt) if j in self._robot.joint_of]
        self._joint_qpos = model.jnt_qposadr[self._moving]
        self._joint_qvel = model.jnt_dofadr[self._moving]
        self._base = np.zeros((count, 13))
        self._joints = np.zeros((2, count, len(self._moving)))
        self._centre = np.zeros((count, 3))
        self._principal = np.zeros((count, 4))
        still = np.zeros((count, model.nv))
        self.reset(np.arange(count), np.tile(model.qpos0, (count, 1)), still)

    def step(self) -> None:
        """Advances all worlds by as many physics steps as `control` has."""
        arrays = self._arrays
        control, burst = arrays["control"], arrays["burst"]
        arrays["diverged"][:] = 0.0
        self._set_friction()
        for substep in range(control.shape[1]):
            self._advance(control[:, substep], burst[:, substep])
        arrays["sensordata"][:] = burst[:, -1]

    def _advance(self, control: Float, sensordata: Float) -> None:
        """Advances all worlds by one physics step."""
        rows = np.arange(len(self._worlds))
        qpos, qvel = self._qpos.copy(), self._qvel.copy()
        contacts: list[list[Contact]] = [[] for _ in self._worlds]
        speed, force = self._joint_torques(control)
        sensed = speed.copy(), force.copy()
        touched = self._sensors.touched
        pushed = np.argwhere(self._arrays["external_force"].any(axis=2)).tolist()
        for inner in range(self._inner):
            if inner:
                _, force = self._joint_torques(control)
            torques = self._forces.torques(self._qpos, self._qvel, force, self._fields)
            torques = torques[:, self._joint_qvel]
            for row, body in pushed:
                wrench = self._arrays["external_force"][row, body].tolist()
                self._worlds[row].push(body, wrench)
            for row, world in enumerate(self._worlds):
                world.step(torques[row])
                if touched:
                    contacts[row] += world.contacts(touched, 1.0 / self._inner)
            self._read(rows)
        self._restart_diverged()
        acceleration = (self._qvel - qvel) / self._period
        for row in range(len(qpos)):
            state = qpos[row], qvel[row], acceleration[row], sensed[0][row], sensed[1][row]
            self._sensors.read(*state, contacts[row], sensordata[row])

    def _joint_torques(self, control: Float) -> tuple[Float, Float]:
        return self._forces.actuators(self._qpos, self._qvel, control, self._fields)

    def _restart_diverged(self) -> None:
        """Puts worlds that diverged back in the model's initial state."""
        with np.errstate(invalid="ignore"):
            sound = (np.abs(self._qvel) < _DIVERGED).all(axis=1) & np.isfinite(self._qpos).all(
                axis=1
            )
        lost = np.flatnonzero(~sound)
        if len(lost):
            self._arrays["diverged"][lost] = 1.0
            self._build(lost)
            count = len(lost)
            start = np.tile(self._model.qpos0, (count, 1))
            self._place(lost, start, np.zeros((count, self._model.nv)))

    def reset(self, rows: Rows, qpos: Float, qvel: Float) -> None:
        """Builds n worlds anew with their present fields, in the state qpos (n, nq), qvel (n, nv),
        and reads their sensors.

        Accelerations and contact forces are known only after a step: one is tried without command,
        and taken back.
        """
        self._build(rows)
        self._place(rows, qpos, qvel)
        self._arrays["external_force"][rows] = 0.0
        self._arrays["diverged"][rows] = 0.0
        control = np.zeros((len(self._worlds), self._model.nu))
        speed, force = self._joint_torques(control)
        torques = self._forces.torques(self._qpos, self._qvel, force, self._fields)
        torques = torques[:, self._joint_qvel]
        for row in rows:
            self._worlds[row].step(torques[row])
        self._read(rows)
        acceleration = (self._qvel[rows] - qvel) * (self._inner / self._period)
        for i, row in enumerate(rows):
            contacts = self._worlds[row].contacts(self._sensors.touched, 1.0)
            data = self._arrays["sensordata"][row]
            state = qpos[i], qvel[i], acceleration[i], speed[row], force[row]
            self._sensors.read(*state, contacts, data)
            self._arrays["burst"][row] = data
        self._place(rows, qpos, qvel)

    def state(self) -> list[bytes]:
        """Returns what `restore` needs of each world beside the arrays."""
        return [world.save(self._file.with_suffix(".bullet")) for world in self._worlds]

    def restore(self, states: Sequence[bytes]) -> None:
        """Restores states that `state` returned, with the arrays as they were then."""
        self._build(np.arange(len(self._worlds)))
        qpos, qvel = self._qpos.copy(), self._qvel.copy()
        self._place(np.arange(len(self._worlds)), qpos, qvel)
        for world, state in zip(self._worlds, states):
            world.restore(self._file.with_suffix(".bullet"), state)

    def _build(self, rows: Rows) -> None:
        friction, ground = self._contacts.friction(self._fields["geom_friction"][:, :, 0])
        for row in rows:
            own = {name: self._fields[name][row] for name in AT_RESET}
            text, moments = self._robot.load(own)
            self._file.write_bytes(text)
            world = self._worlds[row]
            world.build(self._file, moments)
            world.set_friction(friction[row], ground[row])
            self._centre[row], self._principal[row] = world.centre, world.principal

    def _set_friction(self) -> None:
        """Applies friction that was written since the last step."""
        friction, ground = self._contacts.friction(self._fields["geom_friction"][:, :, 0])
        for row, world in enumerate(self._worlds):
            world.set_friction(friction[row], ground[row])

    def _place(self, rows: Rows, qpos: Float, qvel: Float) -> None:
        """Converts the model's coordinates to Bullet's, whose base is at the root's
        centre of mass."""
        self._qpos[rows], self._qvel[rows] = qpos, qvel
        turn = rotation_matrix(qpos[:, 3:7])
        lever = np.einsum("nij,nj->ni", turn, self._centre[rows])
        spin = np.einsum("nij,nj->ni", turn, qvel[:, 3:6])
        axes = multiply(qpos[:, 3:7], self._principal[rows])
        base = np.zeros((len(rows), 13))
        base[:, :3] = qpos[:, :3] + lever
        base[:, 3:7] = axes[:, [1, 2, 3, 0]]
        base[:, 7:10] = qvel[:, :3] + np.cross(spin, lever)
        base[:, 10:] = spin
        for i, row in enumerate(rows):
            joints = qpos[i, self._joint_qpos], qvel[i, self._joint_qvel]
            self._worlds[row].place(base[i], *joints)

    def _read(self, rows: Rows) -> None:
        """Converts Bullet's coordinates to the model's."""
        positions, speeds = self._joints
        for row in rows:
            world = self._worlds[row]
            world.base(self._base[row])
            world.joints(positions[row], speeds[row])
        base = self._base[rows]
        back = self._principal[rows] * [1.0, -1.0, -1.0, -1.0]
        quaternion = multiply(base[:, [6, 3, 4, 5]], back)
        turn = rotation_matrix(quaternion)
        lever = np.einsum("nij,nj->ni", turn, self._centre[rows])
        self._qpos[rows, :3] = base[:, :3] - lever
        self._qpos[rows, 3:7] = quaternion
        self._qvel[rows, :3] = base[:, 7:10] - np.cross(base[:, 10:], lever)
        self._qvel[rows, 3:6] = np.einsum("nji,nj->ni", turn, base[:, 10:])
        self._qpos[rows[:, None], self._joint_qpos] = positions[rows]
        self._qvel[rows[:, None], self._joint_qvel] = speeds[rows]
