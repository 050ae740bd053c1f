"""Compares the robot in both engines: MuJoCo's from its MJCF, PyBullet's from the URDF."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Float
from sim.urdf.bodies import BodyFrames, Masses
from sim.urdf.bullet_model import BulletModel, open_bullet
from sim.urdf.model_robot import ModelRobot, find_model_robot
from sim.urdf.names import Names, find_names
from sim.urdf.tree import link_frame

POSES = 1000
TOLERANCE = 1e-6  # relative to 1 m, 1 rad, 1 kg
_TURNS_FREELY = np.pi  # rad, half the range of a joint without limits
_SLIDES_FREELY = 1.0  # m, half the range of a slide without limits


@dataclass(frozen=True)
class Difference:
    """Holds the largest difference of one quantity between the two models, over all poses."""

    quantity: str
    of: str  # the link, the joint, or the robot
    value: float
    unit: str

    @property
    def ok(self) -> bool:
        """Returns whether the models agree in this quantity."""
        return self.value <= TOLERANCE


def compare_models(
    mjcf: Path | mujoco.MjModel,
    urdf: Path,
    *,
    root: str = "",
    frames: bool = True,
    poses: int = POSES,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Loads both, moves all joints to the same random positions, and measures the differences.

    It compares the total mass; in every pose the centre of mass, the inertia about the base, and
    the place of every body and every named site, all in the base's frame; and the range, damping
    and friction of each joint.

    Args:
        mjcf: the source, or its compiled model.
        urdf: the file written from it.
        root: the robot's first body, as given when the file was written.
        frames: whether the file has the sites.
        poses: number of poses.
        seed: seed of the poses.

    Returns:
        Everything that was compared, the largest difference first; `ok` says which agree.

    Raises:
        UserError: PyBullet cannot load the file, or lacks a link or joint of the model.
    """
    model = mujoco.MjModel.from_xml_path(str(mjcf)) if isinstance(mjcf, Path) else mjcf
    robot = find_model_robot(model, root)
    names = find_names(model, robot)
    positions = _random_positions(model, robot, poses, np.random.default_rng(seed))
    with open_bullet(urdf) as bullet:
        found = [*_joint_differences(model, names, bullet, urdf)]
        links, masses = bullet.move([names.joint[j] for j in robot.joints], positions)
    sites = names.frame if frames else {}
    own_links, own_masses = _move(model, robot, names.link, sites, positions)
    found += [*_mass_differences(own_masses, masses)]
    found += [*_frame_differences(own_links, links, urdf)]
    return tuple(sorted(found, key=lambda difference: -difference.value))


def _random_positions(
    model: mujoco.MjModel, robot: ModelRobot, poses: int, rng: np.random.Generator
) -> Float:
    """Draws joint positions within their ranges, (P, J)."""
    columns = []
    for joint in robot.joints:
        slides = model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE
        free = _SLIDES_FREELY if slides else _TURNS_FREELY
        low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-free, free)
        columns.append(rng.uniform(float(low), float(high), poses))
    return np.array(columns).T.reshape(poses, len(robot.joints))


def _move(
    model: mujoco.MjModel,
    robot: ModelRobot,
    links: Mapping[int, str],
    frames: Mapping[int, str],
    positions: Float,
) -> tuple[BodyFrames, Masses]:
    """Returns links, by body, and frames, by site, as MuJoCo computes them in each pose, seen from
    the root."""
    data, root = mujoco.MjData(model), robot.root
    bodies, sites = list(links), list(frames)
    address = [int(model.jnt_qposadr[joint]) for joint in robot.joints]
    anchors = np.array([link_frame(model, robot, body).position for body in bodies])
    place: list[tuple[Float, Float]] = []
    axes: list[tuple[Float, Float]] = []
    origin: list[tuple[Float, Float]] = []
    for pose in positions:
        data.qpos[address] = pose
        mujoco.mj_kinematics(model, data)
        rotation = data.xmat[bodies].reshape(-1, 3, 3)
        at = data.xpos[bodies] + np.einsum("bij,bj->bi", rotation, anchors)
        turned = data.site_xmat[sites].reshape(-1, 3, 3)
        place.append((np.r_[at, data.site_xpos[sites]], np.r_[rotation, turned]))
        axes.append((data.xipos[bodies].copy(), data.ximat[bodies].reshape(-1, 3, 3).copy()))
        origin.append((data.xpos[root].copy(), data.xmat[root].reshape(3, 3).copy()))
    called = (*links.values(), *frames.values())
    seen, heavy = (
        BodyFrames(called, *_stacked(part)).seen_from(*_stacked(origin)) for part in (place, axes)
    )
    return seen, Masses(heavy, model.body_mass[bodies], model.body_inertia[bodies])


def _stacked(pairs: list[tuple[Float, Float]]) -> tuple[Float, Float]:
    return np.array([first for first, _ in pairs]), np.array([second for _, second in pairs])


def _mass_differences(own: Masses, theirs: Masses) -> Iterator[Difference]:
    mass = abs(own.mass.sum() - theirs.mass.sum())
    centre = np.linalg.norm(own.centre() - theirs.centre(), axis=1).max()
    inertia = np.abs(own.inertia() - theirs.inertia()).max()
    yield Difference("mass", "robot", float(mass), "kg")
    yield Difference("centre of mass", "robot", float(centre), "m")
    yield Difference("inertia about the base", "robot", float(inertia), "kg m²")


def _frame_differences(own: BodyFrames, theirs: BodyFrames, urdf: Path) -> Iterator[Difference]:
    for number, name in enumerate(own.names):
        if name not in theirs.names:
            raise UserError(f"{urdf} has no link '{name}'; write it anew from the model")
        other = theirs.names.index(name)
        apart = own.position[:, number] - theirs.position[:, other]
        turned = np.einsum("pji,pjk->pik", own.rotation[:, number], theirs.rotation[:, other])
        yield Difference("position", name, float(np.linalg.norm(apart, axis=1).max()), "m")
        yield Difference("orientation", name, float(_angle(turned).max()), "rad")


def _angle(rotation: Float) -> Float:
    """Returns the angles of rotation matrices (P, 3, 3), rad; exact for small ones too."""
    skew = rotation - rotation.transpose(0, 2, 1)
    sine = 0.5 * np.sqrt(skew[:, 2, 1] ** 2 + skew[:, 0, 2] ** 2 + skew[:, 1, 0] ** 2)
    return np.arctan2(sine, 0.5 * (np.trace(rotation, axis1=1, axis2=2) - 1.0))


def _joint_differences(
    model: mujoco.MjModel, names: Names, bullet: BulletModel, urdf: Path
) -> Iterator[Difference]:
    own = {name: joint for joint, name in names.joint.items()}
    for name in {*own} ^ {*bullet.joints}:
        lacks, has = (urdf, "the model") if name in own else ("the model", urdf)
        raise UserError(f"{lacks} has no joint '{name}', which {has} has; write the file anew")
    for name, joint in own.items():
        dof, theirs = int(model.jnt_dofadr[joint]), bullet.joints[name]
        unit = "m" if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE else "rad"
        if model.jnt_limited[joint]:
            wide = theirs.range or (-np.inf, np.inf)
            apart = float(np.abs(model.jnt_range[joint] - wide).max())
            yield Difference("range", name, apart, unit)
        damping = abs(float(model.dof_damping[dof]) - theirs.damping)
        friction = abs(float(model.dof_frictionloss[dof]) - theirs.friction)
        force = "N" if unit == "m" else "Nm"
        yield Difference("damping", name, damping, f"{force} s/{unit}")
        yield Difference("friction", name, friction, force)
