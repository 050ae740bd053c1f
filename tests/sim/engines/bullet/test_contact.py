"""What touches the ground in Bullet carries, slides and sticks as in MuJoCo."""

import math

import mujoco
import numpy as np
import pytest

from edge_runtime.errors import UserError
from sim.robots.humanoid import LEGS
from sim.robots.vehicle import CHASSIS_HEIGHT, WHEEL_RADIUS, WHEELS
from tests.sim.engines.bullet.robots_in_both import (
    HUMANOID,
    SIDES,
    VEHICLE,
    both,
    bullet,
    hold,
    load,
    place,
    standing,
)

pytest.importorskip("pybullet")


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
