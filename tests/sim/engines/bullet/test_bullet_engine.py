"""Bullet under the tasks: the same signals as MuJoCo's where physics leaves no choice."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
import pytest

from edge_runtime.errors import UserError
from sim.engines.choice import make_engine
from sim.engines.engine import Engine, Float
from sim.robots.humanoid import LEGS, humanoid
from sim.robots.robot import SimRobot
from sim.robots.vehicle import CHASSIS_HEIGHT, WHEEL_RADIUS, WHEELS, vehicle

pytest.importorskip("pybullet")

HUMANOID, VEHICLE = humanoid(0.3), vehicle()
SIDES = ("left", "right")
ROBOTS = {"humanoid": HUMANOID, "vehicle": VEHICLE}
BLOCK = """
<mujoco>
  <option timestep="0.005" gravity="{gravity}"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" friction="{floor}" priority="{priority}"/>
    <body name="block" pos="0 0 0.1">
      <freejoint/>
      <geom name="block" type="box" size="0.2 0.2 0.1" mass="2" friction="{block}"/>
      <site name="imu"/>
    </body>
  </worldbody>
  <sensor><accelerometer name="accel" site="imu"/></sensor>
</mujoco>
"""


def load(robot: SimRobot) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(robot.model))


@contextmanager
def both(model: mujoco.MjModel, rows: int = 1, substeps: int = 1) -> Iterator[list[Engine]]:
    """MuJoCo's engine and Bullet's."""
    engines = [
        make_engine(name, model, rows, substeps=substeps, threads=1)
        for name in ("mujoco", "bullet")
    ]
    try:
        yield engines
    finally:
        for engine in engines:
            engine.close()


@contextmanager
def bullet(model: mujoco.MjModel, rows: int = 1, **options: Any) -> Iterator[Engine]:
    engine = make_engine("bullet", model, rows, **({"substeps": 1, "threads": 1} | options))
    try:
        yield engine
    finally:
        engine.close()


def place(engine: Engine, qpos: Float, qvel: Float | None = None) -> None:
    rows, model = engine.rows, engine.model
    qvel = np.zeros(model.nv) if qvel is None else qvel
    states = np.tile(qpos, (rows, 1)), np.tile(qvel, (rows, 1))
    engine.reset(np.arange(rows), *states, constants_changed=True)


def hold(engine: Engine, control: Float, seconds: float) -> None:
    """Step with one command."""
    inputs = np.tile(control, (engine.rows, engine.substeps, 1))
    for _ in range(round(seconds / engine.model.opt.timestep / engine.substeps)):
        engine.step(inputs)


def anywhere(model: mujoco.MjModel, rng: np.random.Generator) -> Float:
    """qpos high above the ground, within all limits."""
    qpos = model.qpos0.copy()
    quaternion = rng.normal(size=4)
    qpos[2], qpos[3:7] = 3.0, quaternion / np.linalg.norm(quaternion)
    for joint in range(1, model.njnt):
        low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-3.0, 3.0)
        qpos[model.jnt_qposadr[joint]] = low + (high - low) * rng.uniform(0.2, 0.8)
    return qpos


def standing(model: mujoco.MjModel) -> tuple[Float, Float]:
    """qpos of the humanoid just above the ground in its default pose, and that pose's command."""
    qpos, command = model.qpos0.copy(), np.array([a.default for a in HUMANOID.actuators])
    qpos[[model.joint(a.name).qposadr[0] for a in HUMANOID.actuators]] = command
    qpos[2] = 0.742
    return qpos, command


@pytest.mark.parametrize("name", ROBOTS)
def test_moves_in_the_air_as_in_mujoco(name: str) -> None:
    """Inertias, axes, gravity, gyroscopic terms, motors, springs and dampers, all at once."""
    model = load(ROBOTS[name])
    model.opt.timestep = 1e-6
    model.dof_armature[:] = 0.0  # of which Bullet has none
    model.eq_active0[:] = 0  # hard in one engine, a spring in the other
    rng = np.random.default_rng(1)
    with both(model) as engines:
        for _ in range(3):
            qpos, qvel = anywhere(model, rng), rng.normal(0.0, 1.0, model.nv)
            command = rng.uniform(-0.5, 0.5, model.nu)
            for engine in engines:
                place(engine, qpos, qvel)
                hold(engine, command, 1e-6)
            change = [(engine.qvel[0] - qvel) / 1e-6 for engine in engines]
            # A joint's may be a small difference of large ones, of which a little is left.
            scale = 1.0 + np.abs(change[0]) + 0.01 * np.abs(change[0]).max()
            assert (np.abs(change[1] - change[0]) / scale).max() < 0.01
            for sensor in range(model.nsensor):
                one, other = (e.sensor(model.sensor(sensor).name)[0] for e in engines)
                assert other == pytest.approx(one, rel=0.02, abs=0.02 * np.abs(one).max() + 0.02)


def test_free_fall_feels_weightless() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    qpos[2] = 10.0
    with bullet(model, substeps=4) as engine:
        place(engine, qpos)
        hold(engine, command, 0.5)
        assert np.linalg.norm(engine.sensor("imu_accel")) < 0.5
        fallen = 10.0 - engine.qpos[0, 2]
        assert fallen == pytest.approx(9.81 / 2 * 0.5**2, rel=0.02)
        assert (engine.sensor("left_foot_touch") == 0.0).all()
        # The newest sensors are of the state before the last physics step.
        position = engine.sensor("true_position")[0, 2]
        assert position > engine.qpos[0, 2] + 0.03


def test_stands_on_its_feet_with_its_weight() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    weight = model.body_subtreemass[1] * 9.81
    with both(model, substeps=4) as engines:
        for engine in engines:
            place(engine, qpos)
            hold(engine, command, 0.3)
            forces = [engine.sensor(f"{foot}_touch")[0, 0] for foot in LEGS.feet]
            assert sum(forces) == pytest.approx(weight, rel=0.05)
            assert forces[0] == pytest.approx(forces[1], rel=0.02)
            assert engine.sensor("imu_accel")[0, 2] == pytest.approx(9.81, abs=0.5)
        mine, other = (e.sensordata[0] for e in engines)
        torque = engines[0].columns(*(f"{a.name}_torque" for a in HUMANOID.actuators))
        assert other[torque] == pytest.approx(mine[torque], abs=2.0)  # Nm
        assert engines[1].qpos[0] == pytest.approx(engines[0].qpos[0], abs=0.01)


def test_a_joint_reaches_its_target() -> None:
    """At the same pace in both engines, in the air without gravity."""
    model = load(HUMANOID)
    model.opt.gravity[:] = 0.0
    qpos, command = standing(model)
    qpos[2] = 3.0
    elbow = [a.name for a in HUMANOID.actuators].index("left_elbow")
    command[elbow] = -1.2
    with both(model, substeps=4) as engines:
        for engine in engines:
            place(engine, qpos)
            hold(engine, command, 0.02)
            assert engine.sensor("left_elbow_torque")[0, 0] < -5.0
        for _ in range(10):
            for engine in engines:
                hold(engine, command, 0.06)
            mine, other = (e.sensor("left_elbow_pos")[0, 0] for e in engines)
            assert other == pytest.approx(mine, abs=0.05)
        assert engines[1].sensor("left_elbow_pos")[0, 0] == pytest.approx(-1.2, abs=0.02)


def test_the_gyroscope_has_the_turn_s_sign() -> None:
    model = load(VEHICLE)
    qvel = np.zeros(model.nv)
    qvel[5] = 2.0
    qpos = model.qpos0.copy()
    qpos[2] = 5.0
    with bullet(model) as engine:
        place(engine, qpos, qvel)
        hold(engine, np.zeros(2), 0.1)
        assert engine.sensor("imu_gyro")[0, 2] == pytest.approx(2.0, rel=0.02)
        w, _, _, z = engine.qpos[0, 3:7]
        assert 2 * math.atan2(z, w) == pytest.approx(0.2, rel=0.03)


def test_wheels_roll_and_steering_turns_the_car_as_in_mujoco() -> None:
    model = load(VEHICLE)
    qpos = model.qpos0.copy()
    qpos[2] = CHASSIS_HEIGHT
    with both(model, substeps=8) as engines:
        for engine in engines:
            place(engine, qpos)
            hold(engine, np.array([0.0, 20.0]), 3.0)
            ahead = engine.qvel[0, 0]
            assert ahead == pytest.approx(20.0 * WHEEL_RADIUS, rel=0.05)
            for wheel in WHEELS:
                speed = engine.sensor(f"{wheel}_encoder")[0, 0]
                assert speed * WHEEL_RADIUS == pytest.approx(ahead, rel=0.03)
            hold(engine, np.array([0.2, 20.0]), 1.5)
            left, right = (
                engine.qpos[0, model.joint(f"front_{s}_knuckle").qposadr[0]] for s in SIDES
            )
            assert left > right + 0.01  # Ackermann: the inner wheel turns more
        mine, other = (e.qvel[0, 5] for e in engines)
        assert mine > 0.3
        assert other == pytest.approx(mine, rel=0.05)
        gyro = engines[1].sensor("imu_gyro")[0, 2]
        assert gyro == pytest.approx(other, rel=0.05)


@pytest.mark.parametrize(
    ("floor", "block", "priority", "counts"),
    [(0.3, 0.9, 1, 0.3), (0.3, 0.8, 0, 0.8), (0.2, 0.3, -1, 0.3), (0.7, 0.1, 1, 0.7)],
)
def test_friction_on_a_slope_is_the_pair_s(
    floor: float, block: float, priority: int, counts: float
) -> None:
    """By priority or the larger one; where it does not hold the block, it slides as it must."""
    slope = math.atan(0.5)
    down, into = 9.81 * math.sin(slope), 9.81 * math.cos(slope)
    text = BLOCK.format(gravity=f"{down} 0 {-into}", floor=floor, block=block, priority=priority)
    model = mujoco.MjModel.from_xml_string(text)
    with bullet(model) as engine:
        place(engine, model.qpos0)
        hold(engine, np.zeros(0), 1.0)
        expected = max(down - counts * into, 0.0)
        assert engine.qvel[0, 0] == pytest.approx(expected, rel=0.03, abs=0.01)


def test_friction_counts_at_once_and_for_its_own_world() -> None:
    text = BLOCK.format(gravity="4 0 -9.81", floor=1, block=0.1, priority=1)
    model = mujoco.MjModel.from_xml_string(text)
    floor = model.geom("floor").id
    with bullet(model, rows=2) as engine:
        place(engine, model.qpos0)
        hold(engine, np.zeros(0), 0.2)
        assert np.abs(engine.qvel[:, 0]).max() < 0.01
        engine.field("geom_friction")[1, floor, 0] = 0.1
        hold(engine, np.zeros(0), 0.5)
        assert abs(engine.qvel[0, 0]) < 0.01
        assert engine.qvel[1, 0] == pytest.approx(0.5 * (4 - 0.981), rel=0.05)


def test_stands_on_boxes_and_other_shapes_of_the_ground() -> None:
    """Those of equal friction are one body, which differs only as a whole."""
    text = BLOCK.format(gravity="0 0 -9.81", floor=1, block=0.1, priority=1)
    shapes = """
    <geom name="a" type="box" pos="0 0 0.3" size="1 1 0.1" priority="1" friction="0.5"/>
    <geom name="b" type="box" pos="9 0 1" size="1 1 0.1" euler="0 90 0" priority="1"
          friction="0.5"/>
    <geom name="c" type="sphere" pos="18 0 0" size="0.5" priority="1" friction="0.5"/>
    <geom name="d" type="cylinder" pos="27 0 0" size="0.4 0.6" priority="1" friction="0.7"/>
    </worldbody>"""
    model = mujoco.MjModel.from_xml_string(text.replace("</worldbody>", shapes))
    with bullet(model, rows=5) as engine:
        qpos = np.tile(model.qpos0, (5, 1))
        qpos[:, 0] = [0.0, 9.0, 18.0, 27.0, 36.0]
        height = np.array([0.4, 2.0, 0.5, 0.6, 0.0]) + 0.1  # of the block's middle
        qpos[:, 2] = height + 0.002
        engine.reset(np.arange(5), qpos, np.zeros((5, 6)), constants_changed=False)
        hold(engine, np.zeros(0), 0.3)
        assert engine.qpos[:, 2] == pytest.approx(height, abs=0.004)
        friction = engine.field("geom_friction")
        friction[0, [model.geom(g).id for g in "abc"], 0] = 0.3
        hold(engine, np.zeros(0), 0.01)
        friction[0, model.geom("b").id, 0] = 0.2
        with pytest.raises(UserError, match="the friction of 'a'"):
            hold(engine, np.zeros(0), 0.01)


@pytest.mark.parametrize("body", ["pelvis", "torso", "left_forearm"])
def test_a_push_moves_the_robot_as_in_mujoco(body: str) -> None:
    model = load(HUMANOID)
    model.opt.gravity[:] = 0.0
    model.opt.timestep = 1e-4
    model.dof_armature[:] = 0.0
    qpos, command = standing(model)
    qpos[2] = 3.0
    number = model.body(body).id
    with both(model) as engines:
        for engine in engines:
            place(engine, qpos)
            engine.external_force[0, number] = [300.0, -200.0, 100.0, 10.0, 20.0, -30.0]
            hold(engine, command, 2e-4)
        mine, other = (e.qvel[0] for e in engines)
        assert other == pytest.approx(mine, rel=0.1, abs=0.002)
        assert np.abs(mine[:6]).max() > 5e-4
        engines[1].external_force[:] = 0.0
        before = engines[1].qvel[0, :3].copy()
        hold(engines[1], command, 1e-4)
        assert np.abs(engines[1].qvel[0, :3] - before).max() < 1e-3  # it has ended


def test_another_mass_and_centre_of_mass_count_from_a_reset_on() -> None:
    model = load(HUMANOID)
    model.opt.gravity[:] = 0.0
    model.dof_armature[:] = 0.0
    model.opt.timestep = 1e-3
    qpos, command = standing(model)
    qpos[2] = 3.0
    torso = model.body("torso").id
    with both(model, rows=2) as engines:
        for engine in engines:
            engine.field("body_mass")[1, torso] *= 3.0
            engine.field("body_inertia")[1, torso] *= 3.0
            engine.field("body_ipos")[1, torso] += [0.1, 0.05, -0.1]
            place(engine, qpos)
            engine.external_force[:, model.body("pelvis").id, :3] = [200.0, 0.0, 0.0]
            hold(engine, command, 5e-3)
        mine, other = (e.qvel for e in engines)
        assert other == pytest.approx(mine, rel=0.1, abs=0.03)
        assert np.abs(mine[0, :6] - mine[1, :6]).max() > 0.05


def test_gains_and_torque_limits_are_each_world_s_own() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    qpos[2] = 3.0
    with bullet(model, rows=3) as engine:
        engine.field("actuator_gainprm")[1, :, 0] = 0.0
        engine.field("actuator_biasprm")[1, :, 1:3] = 0.0
        engine.field("actuator_forcerange")[2] = [-1.0, 1.0]
        place(engine, qpos)
        hold(engine, command + 0.5, 0.005)
        torque = engine.sensordata[
            :, engine.columns(*(f"{a.name}_torque" for a in HUMANOID.actuators))
        ]
        assert (torque[0] > 10.0).all()
        assert (torque[1] == 0.0).all()
        assert (torque[2] == 1.0).all()


def test_a_diverged_simulation_is_reported_and_restarts() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    with bullet(model, rows=2, substeps=2) as engine:
        place(engine, qpos)
        engine.field("actuator_biasprm")[1, :, 2] = 1e6  # damping that drives
        engine.field("actuator_forcerange")[1] = [-1e12, 1e12]
        for _ in range(30):
            hold(engine, command, 0.01)
            if engine.diverged[1]:
                break
        assert engine.diverged.tolist() == [False, True]
        for array in (engine.qpos, engine.qvel, engine.sensordata, engine.burst):
            assert np.isfinite(array).all()
        engine.reset(np.array([1]), qpos[None], np.zeros((1, model.nv)), constants_changed=False)
        assert not engine.diverged.any()


def edited(old: str, new: str) -> mujoco.MjModel:
    text = """<mujoco><worldbody><geom name="floor" type="plane" size="0 0 1"/>
    <body name="base" pos="0 0 1"><freejoint/><geom size="0.1"/><site name="s"/>
    <body name="arm" pos="0.2 0 0"><joint name="a" axis="0 1 0"/><geom size="0.05"/>
    <body name="hand" pos="0.2 0 0"><joint name="b" axis="0 1 0"/><geom size="0.05"/></body>
    </body></body></worldbody>
    <actuator><motor name="m" joint="a"/></actuator>
    <sensor><gyro name="g" site="s"/></sensor></mujoco>"""
    assert old in text
    return mujoco.MjModel.from_xml_string(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('<gyro name="g" site="s"/>', '<force name="g" site="s"/>', "'g'"),
        ('<motor name="m" joint="a"/>', '<intvelocity name="m" joint="a" actrange="-1 1"/>', "'m'"),
        ("</worldbody>", '</worldbody><equality><weld name="w" body1="base"/></equality>', "'w'"),
        ("<freejoint/>", "", "free joint"),
        ('type="plane" size="0 0 1"', 'type="ellipsoid" size="1 1 1"', "'floor'"),
        ('<joint name="b" axis="0 1 0"/>', '<joint name="b" type="slide" armature="1"/>', "'b'"),
        ("<freejoint/>", '<joint name="f" type="free" damping="1"/>', "free joint 'f'"),
        ('<joint name="b"', '<joint name="b" stiffness="1 2 3"', "stiffness of joint 'b'"),
        ('<joint name="b"', '<joint name="b" damping="1 2 3"', "damping of joint 'b'"),
        ('<joint name="b"', '<joint name="b" actuatorfrcrange="-1 1"', "frcrange of joint 'b'"),
        ('<body name="hand"', '<body name="hand" gravcomp="1"', "body 'hand'"),
        ('<motor name="m"', '<motor name="m" damping="1"', "damping or armature of actuator 'm'"),
        ('<motor name="m"', '<motor name="m" delay="0.01" nsample="6"', "delay of actuator 'm'"),
        ("<worldbody>", '<worldbody><body><geom name="wall" size="1"/></body>', "geom 'wall'"),
        ('name="floor"', 'name="floor" condim="6"', "condim of geom 'floor'"),
        ("<worldbody>", '<option viscosity="1"/><worldbody>', "viscosity"),
        ("<worldbody>", '<option><flag gravity="disable"/></option><worldbody>', "flag gravity"),
        (
            "<actuator>",
            '<tendon><fixed name="t" damping="1"><joint joint="a" coef="1"/></fixed></tendon>'
            "<actuator>",
            "limit of tendon 't'",
        ),
    ],
)
def test_names_what_bullet_cannot_simulate(old: str, new: str, named: str) -> None:
    with pytest.raises(UserError, match=named), bullet(edited(old, new)):
        pass


def test_names_a_field_that_cannot_differ_and_an_engine_that_is_not_there() -> None:
    model = edited("<gyro", "<gyro")
    with bullet(model) as engine, pytest.raises(UserError, match="geom_size"):
        engine.field("geom_size")
    with pytest.raises(UserError, match="'havok'; there are: mujoco, bullet"):
        make_engine("havok", model, 1, substeps=1)
