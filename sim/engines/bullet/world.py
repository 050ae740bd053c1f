"""Simulates one world: a Bullet physics client with the ground and one robot."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
import pybullet

from edge_runtime.errors import UserError
from edge_runtime.signals import Float
from sim.engines.bullet.contact_rules import ContactRules
from sim.engines.bullet.ground_bodies import load_ground
from sim.engines.bullet.state_sensors import Contact
from sim.engines.bullet.world_urdf import WorldUrdf

_GROUND, _ROBOT = 1, 2  # collision groups
_MAX_JOINT_SPEED = 1e6  # rad/s, never reached; Bullet's default clips joint speeds at 100


@dataclass(frozen=True)
class WorldConfig:
    """Describes what all worlds of a process have in common."""

    model: mujoco.MjModel
    robot: WorldUrdf
    contacts: ContactRules
    period: float  # s, of Bullet's own steps


class World:
    """Steps one robot; joints are in the model's order, without the free joint.

    Args:
        config: what to build.
    """

    def __init__(self, config: WorldConfig) -> None:
        self._config = config
        self._client = pybullet.connect(pybullet.DIRECT)
        if self._client < 0:
            raise UserError("Bullet has no room for more worlds in one process; use more processes")
        self._options = {"physicsClientId": self._client}
        model, robot = config.model, config.robot
        self._joint_numbers = sorted(robot.joint_of, key=lambda j: int(model.jnt_dofadr[j]))
        self._limits = [
            model.jnt_range[j] if model.jnt_limited[j] else None for j in self._joint_numbers
        ]
        self._friction = [
            float(model.dof_frictionloss[model.jnt_dofadr[j]]) for j in self._joint_numbers
        ]
        self._ground: list[int] = []
        self._bodies_friction: list[float] = []
        self._ground_friction: list[float] = []

    def build(self, robot: Path, moments: Mapping[str, Float]) -> None:
        """Builds the world anew: nothing that happened before has any effect.

        Args:
            robot: the robot's URDF file.
            moments: moments of inertia, (3,) of each link by name.
        """
        options, config = self._options, self._config
        # The ground is rebuilt too: a world that only lost its robot finds contacts in another
        # order.
        self._ground = self._load_ground(robot)
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
        flags |= pybullet.URDF_USE_SELF_COLLISION if config.contacts.pairs else 0
        self._robot = pybullet.loadURDF(str(robot), flags=flags, **options)
        self._find_links()
        for name, own in moments.items():
            pybullet.changeDynamics(
                self._robot, self._numbers[name], localInertiaDiagonal=own.tolist(), **options
            )
        self._disable_extras()
        self._filter_collisions()
        self._bodies_friction, self._ground_friction = [], []

    def _load_ground(self, robot: Path) -> list[int]:
        options, config = self._options, self._config
        pybullet.resetSimulation(**options)
        pybullet.setTimeStep(config.period, **options)
        pybullet.setGravity(*config.model.opt.gravity, **options)
        pybullet.setPhysicsEngineParameter(
            deterministicOverlappingPairs=1,
            enableFileCaching=0,  # a changed file must be read anew
            **options,
        )
        return [
            load_ground(config.model, group, robot.with_suffix(f".{number}.urdf"), options)
            for number, group in enumerate(config.contacts.ground)
        ]

    def _find_links(self) -> None:
        config, options = self._config, self._options
        links, joints = {}, {}
        for number in range(pybullet.getNumJoints(self._robot, **options)):
            info = pybullet.getJointInfo(self._robot, number, **options)
            joints[info[1].decode()], links[info[12].decode()] = number, number
        robot = config.robot
        links[robot.link_of[robot.root]] = -1
        self._numbers = links
        self._links = {b: links[name] for b, name in robot.link_of.items()}
        self._body_of = {link: body for body, link in self._links.items()}
        self._joints = [joints[robot.joint_of[j]] for j in self._joint_numbers]
        self._count = len(joints)
        inertial = pybullet.getDynamicsInfo(self._robot, -1, **options)
        self.centre: Float = np.array(inertial[3])  # of mass, in the root's frame
        # Orientation of its principal axes, wxyz, in the root's frame
        self.principal: Float = np.array(inertial[4])[[3, 0, 1, 2]]

    def _disable_extras(self) -> None:
        """Switches off what Bullet adds: air drag, clipped speeds, and motors that hold joints."""
        robot, options = self._robot, self._options
        for link in range(-1, self._count):
            pybullet.changeDynamics(
                robot,
                link,
                linearDamping=0.0,
                angularDamping=0.0,
                jointDamping=0.0,
                restitution=0.0,
                rollingFriction=0.0,
                spinningFriction=0.0,
                maxJointVelocity=_MAX_JOINT_SPEED,
                **options,
            )
        velocity = pybullet.VELOCITY_CONTROL
        pybullet.setJointMotorControlArray(
            robot, self._joints, velocity, forces=self._friction, **options
        )
        for joint, limits in zip(self._joints, self._limits):
            low, high = (1.0, -1.0) if limits is None else limits
            pybullet.changeDynamics(
                robot, joint, jointLowerLimit=low, jointUpperLimit=high, **options
            )

    def _filter_collisions(self) -> None:
        rules, options = self._config.contacts, self._options
        for body, link in self._links.items():
            mask = _GROUND if body in rules.bodies_on_ground else 0
            pybullet.setCollisionFilterGroupMask(self._robot, link, _ROBOT, mask, **options)
        for link in set(range(self._count)) - set(self._links.values()):
            pybullet.setCollisionFilterGroupMask(self._robot, link, _ROBOT, 0, **options)
        for pair in rules.pairs:
            one, other = (self._links[body] for body in pair)
            pybullet.setCollisionFilterPair(self._robot, self._robot, one, other, 1, **options)

    def set_friction(self, friction: Float, ground_friction: Float) -> None:
        """Sets the sliding friction of each body, (nbody,), and of each body of the ground."""
        bodies, ground = friction.tolist(), ground_friction.tolist()
        options = self._options
        if bodies == self._bodies_friction and ground == self._ground_friction:
            return
        for body, link in self._links.items():
            pybullet.changeDynamics(self._robot, link, lateralFriction=bodies[body], **options)
        for geom, value in zip(self._ground, ground):
            pybullet.changeDynamics(geom, -1, lateralFriction=value, **options)
            # This ends its contacts, which would keep their former friction.
            pybullet.setCollisionFilterGroupMask(geom, -1, _GROUND, _ROBOT, **options)
        self._bodies_friction, self._ground_friction = bodies, ground

    def place(self, base: Float, joints: Float, speeds: Float) -> None:
        """Puts the robot in a state.

        Args:
            base: position and quaternion xyzw of the root's principal axes, their velocity and
                angular velocity, all in the world, (13,).
            joints: positions, (joints,).
            speeds: (joints,).
        """
        robot, options, values = self._robot, self._options, base.tolist()
        pybullet.resetBasePositionAndOrientation(robot, values[:3], values[3:7], **options)
        pybullet.resetBaseVelocity(robot, values[7:10], values[10:], **options)
        pybullet.resetJointStatesMultiDof(
            robot, self._joints, joints[:, None].tolist(), speeds[:, None].tolist(), **options
        )

    def joints(self, positions: Float, speeds: Float) -> None:
        """Writes the joints' positions and speeds, (joints,) each."""
        states = pybullet.getJointStates(self._robot, self._joints, **self._options) or ()
        positions[:] = [state[0] for state in states]
        speeds[:] = [state[1] for state in states]

    def base(self, out: Float) -> None:
        """Writes the root's state as `place` takes it, (13,)."""
        pose = pybullet.getBasePositionAndOrientation(self._robot, **self._options)
        velocity = pybullet.getBaseVelocity(self._robot, **self._options)
        out[:] = (*pose[0], *pose[1], *velocity[0], *velocity[1])

    def push(self, body: int, wrench: list[float]) -> None:
        """Applies force and torque to a body's centre of mass in the next step, in the
        world frame."""
        robot, link, options = self._robot, self._links[body], self._options
        if link < 0:
            centre = pybullet.getBasePositionAndOrientation(robot, **options)[0]
        else:
            centre = pybullet.getLinkState(robot, link, **options)[0]
        world = pybullet.WORLD_FRAME
        pybullet.applyExternalForce(robot, link, wrench[:3], centre, world, **options)
        if any(wrench[3:]):
            pybullet.applyExternalTorque(robot, link, wrench[3:], world, **options)

    def step(self, torques: Float) -> None:
        """Advances by Bullet's period under these joint torques, (joints,)."""
        pybullet.setJointMotorControlArray(
            self._robot,
            self._joints,
            pybullet.TORQUE_CONTROL,
            forces=torques.tolist(),
            **self._options,
        )
        pybullet.stepSimulation(**self._options)

    def contacts(self, bodies: Collection[int], share: float) -> list[Contact]:
        """Returns the contacts of these bodies in the last step, with their forces
        times `share`."""
        contacts: list[Contact] = []
        for c in pybullet.getContactPoints(self._robot, **self._options):
            force = share * c[9]
            if force <= 0.0:
                continue
            one, other = self._body_of.get(c[3], -1), self._body_of.get(c[4], -1)
            if one in bodies:
                contacts.append((one, np.array(c[5]), np.array(c[7]), force))
            if c[2] == self._robot and other in bodies:
                contacts.append((other, np.array(c[5]), -np.array(c[7]), force))
        return contacts

    def save(self, file: Path) -> bytes:
        """Returns Bullet's state for a bit-equal continuation; `file` is written and left."""
        pybullet.saveBullet(str(file), **self._options)
        return file.read_bytes()

    def restore(self, file: Path, state: bytes) -> None:
        """Restores a state of a world that was built alike."""
        file.write_bytes(state)
        pybullet.restoreState(fileName=str(file), **self._options)

    def close(self) -> None:
        pybullet.disconnect(**self._options)
