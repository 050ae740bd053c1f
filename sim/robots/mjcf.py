"""Builds a robot from its MJCF: actuators, limits, gains and sensors as the model has them.

The model's sensors are found by name. IMU, at the site `imu`: `imu_gyro`, `imu_accel`, and its
truth `true_attitude`, `true_velocity`, `true_position`. Of each actuator's joint: `<joint>_pos`,
`<joint>_vel`, `<joint>_torque`. Of each foot, at the site of its name: `<foot>_touch`,
`<foot>_position`, `<foot>_velocity`, `<foot>_up`. Those that the MJCF leaves out are added to the
model; the sites must be there.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import mujoco

from edge_runtime.errors import UserError, suggestion
from edge_runtime.policy.contract import Actuator
from edge_runtime.signals import Signal
from sim.robots.legs import Legs, mirror_signs, names_joint, of_joint
from sim.robots.robot import AddedSensor, SimRobot
from sim.sensors.readings import Sensor

_KIND, _OBJECT = mujoco.mjtSensor, mujoco.mjtObj
_IMU = {
    "imu_gyro": _KIND.mjSENS_GYRO,
    "imu_accel": _KIND.mjSENS_ACCELEROMETER,
    "true_attitude": _KIND.mjSENS_FRAMEQUAT,
    "true_position": _KIND.mjSENS_FRAMEPOS,
    "true_velocity": _KIND.mjSENS_VELOCIMETER,
}
_JOINT = {"pos": _KIND.mjSENS_JOINTPOS, "vel": _KIND.mjSENS_JOINTVEL}
_FOOT = {
    "touch": _KIND.mjSENS_TOUCH,
    "position": _KIND.mjSENS_FRAMEPOS,
    "velocity": _KIND.mjSENS_FRAMELINVEL,
    "up": _KIND.mjSENS_FRAMEZAXIS,
}
_HOME = "home"


def robot_from_mjcf(
    name: str,
    path: Path,
    *,
    action_scale: float,
    default: Mapping[str, float] | None = None,
    max_velocity: Mapping[str, float] | float = 20.0,
    task: str = "",
    main_body: str = "",
    legs: Legs | None = None,
    toppling_torque: float | None = None,
    weakened: Mapping[str, bool] | None = None,
) -> SimRobot:
    """Builds a robot whose actuators are PD position actuators, each named like its joint.

    Args:
        name: the name of the robot.
        path: MJCF of the robot in its scene, with a site `imu` and a geom `floor`.
        action_scale: rad per unit of action.
        default: joint angles at action 0, rad; others 0. By default those of the key frame `home`,
        if there is one. A joint is named in full, or by the end of its name.
        max_velocity: rad/s, of each joint, named likewise, none left out; or one for all.
        task: in which it is simulated where none is named, as by `sim2edge up`.
        main_body: where pushes and payload act; by default the first body that moves freely.
        legs: what walking has to know of it; None for a robot that does not walk.
        toppling_torque: Nm about its forward axis that tip it over in a fault trial.
        weakened: joints whose motors fail in fault trials, each with whether the robot may go down
        without it; by default none.

    Raises:
        UserError: the model lacks something that is named here, or cannot be read; a joint has no
        speed.
    """
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise UserError(f"robot '{name}': {path} cannot be read: {error}") from None
    joints = [model.actuator(k).name for k in range(model.nu)]
    _check(name, model, joints, legs)
    pose = _home(model, joints) if default is None else default
    speed = (
        max_velocity if isinstance(max_velocity, Mapping) else dict.fromkeys(joints, max_velocity)
    )
    named = {"default": pose, "max_velocity": speed, "weakened": weakened or {}}
    _check_names(name, joints, named, legs)
    for joint in joints:
        if of_joint(speed, joint) <= 0.0:
            raise UserError(f"robot '{name}': max_velocity must give '{joint}' more than 0 rad/s")
    if main_body and not _has(model, _OBJECT.mjOBJ_BODY, main_body):
        bodies = [model.body(k).name for k in range(1, model.nbody)]
        raise UserError(
            f"robot '{name}' has no main_body '{main_body}'; {suggestion(main_body, bodies)}"
        )
    feet = legs.feet if legs else ()
    return SimRobot(
        name=name,
        model=path,
        actuators=_actuators(model, joints, pose, speed, action_scale),
        sensors=_sensors(joints, feet),
        task=task,
        main_body=main_body or model.body(model.jnt_bodyid[0]).name,
        mirror_signs=mirror_signs(model, joints),
        legs=legs,
        toppling_torque=toppling_torque,
        weakened=weakened or {},
        added=tuple(
            s for s in _wanted(joints, feet) if not _has(model, _OBJECT.mjOBJ_SENSOR, s.name)
        ),
    )


def _check(name: str, model: mujoco.MjModel, joints: list[str], legs: Legs | None) -> None:
    """Refuses a model that lacks what is found by name."""
    if not joints:
        raise UserError(f"robot '{name}' has no actuators; each joint needs a <position> actuator")
    for k, joint in enumerate(joints):
        if not _has(model, _OBJECT.mjOBJ_JOINT, joint):
            raise UserError(
                f"robot '{name}': no joint is named like its actuator '{joint}'; rename either"
            )
        if model.actuator_biasprm[k, 1] == 0.0:
            raise UserError(
                f"robot '{name}': actuator '{joint}' is no <position> with kp and kv; make it one"
            )
        for limit, limited in (("ctrlrange", "ctrllimited"), ("forcerange", "forcelimited")):
            if not getattr(model, f"actuator_{limited}")[k]:
                raise UserError(f"robot '{name}': actuator '{joint}' needs a {limit}")
    for site in ("imu", *(legs.feet if legs else ())):
        if not _has(model, _OBJECT.mjOBJ_SITE, site):
            raise UserError(
                f"robot '{name}' has no site '{site}'; add <site name=\"{site}\"/> to its MJCF"
            )
    for body in legs.hands if legs else ():
        if not _has(model, _OBJECT.mjOBJ_BODY, body):
            raise UserError(f"robot '{name}' has no body '{body}', which is named as a hand")
    if not _has(model, _OBJECT.mjOBJ_GEOM, "floor"):
        raise UserError(f"robot '{name}' stands on no geom 'floor'; add one to its scene")
    if legs and model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
        raise UserError(f"robot '{name}' walks, but its root has no <freejoint/>")


def _check_names(
    name: str, joints: list[str], tables: Mapping[str, Iterable[str]], legs: Legs | None
) -> None:
    """Refuses joints and feet that are named but are not there."""
    if legs:
        by_joint = ("posture", "stepping", "arm_swing", "arms")
        tables = {**tables, **{table: getattr(legs, table) for table in by_joint}}
        for foot in legs.leading:
            if foot not in legs.feet:
                raise UserError(
                    f"robot '{name}': leading names '{foot}', which is none of its feet; "
                    f"{suggestion(foot, legs.feet)}"
                )
    for table, keys in tables.items():
        for key in keys:
            if not any(names_joint(key, joint) for joint in joints):
                raise UserError(
                    f"robot '{name}': {table} names '{key}', which is none of its joints; "
                    f"{suggestion(key, joints)}"
                )


def _has(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str) -> bool:
    return int(mujoco.mj_name2id(model, kind, name)) >= 0


def _home(model: mujoco.MjModel, joints: list[str]) -> dict[str, float]:
    """Returns the joint angles of the key frame `home`, rad; none without it."""
    if not _has(model, _OBJECT.mjOBJ_KEY, _HOME):
        return {}
    qpos = model.key(_HOME).qpos
    return {joint: float(qpos[model.joint(joint).qposadr[0]]) for joint in joints}


def _actuators(
    model: mujoco.MjModel,
    joints: list[str],
    pose: Mapping[str, float],
    speed: Mapping[str, float],
    action_scale: float,
) -> tuple[Actuator, ...]:
    return tuple(
        Actuator(
            name=joint,
            stiffness=float(model.actuator_gainprm[k, 0]),
            damping=float(-model.actuator_biasprm[k, 2]),
            default=of_joint(pose, joint),
            action_scale=action_scale,
            lower=float(model.actuator_ctrlrange[k, 0]),
            upper=float(model.actuator_ctrlrange[k, 1]),
            max_velocity=of_joint(speed, joint),
            max_effort=float(model.actuator_forcerange[k, 1]),
        )
        for k, joint in enumerate(joints)
    )


def _sensors(joints: list[str], feet: tuple[str, ...]) -> tuple[Sensor, ...]:
    """Returns the signals that a robot reads, and the model's sensors that make them up."""
    count = len(joints)
    sensors = (
        Sensor(Signal("imu_gyro", 3, "rad/s", "imu"), ("imu_gyro",)),
        Sensor(Signal("imu_accel", 3, "m/s^2", "imu"), ("imu_accel",)),
        Sensor(Signal("joint_pos", count, "rad"), tuple(f"{j}_pos" for j in joints)),
        Sensor(Signal("joint_vel", count, "rad/s"), tuple(f"{j}_vel" for j in joints)),
        Sensor(Signal("joint_torque", count, "Nm"), tuple(f"{j}_torque" for j in joints)),
    )
    if not feet:
        return sensors
    touch = Signal("foot_force", len(feet), "N", "foot")
    return (*sensors, Sensor(touch, tuple(f"{f}_touch" for f in feet)))


def _wanted(joints: list[str], feet: tuple[str, ...]) -> list[AddedSensor]:
    """Returns every sensor that is found by name, those of one kind one after another."""
    wanted = [
        AddedSensor(f"{joint}_{end}", kind, _OBJECT.mjOBJ_JOINT, joint)
        for end, kind in _JOINT.items()
        for joint in joints
    ]
    torque = _KIND.mjSENS_ACTUATORFRC
    wanted += [AddedSensor(f"{j}_torque", torque, _OBJECT.mjOBJ_ACTUATOR, j) for j in joints]
    wanted += [AddedSensor(name, kind, _OBJECT.mjOBJ_SITE, "imu") for name, kind in _IMU.items()]
    wanted += [
        AddedSensor(f"{foot}_{end}", kind, _OBJECT.mjOBJ_SITE, foot)
        for end, kind in _FOOT.items()
        for foot in feet
    ]
    return wanted
