import mujoco
import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.kinematics import LegKinematics
from sim.robots.humanoid import LEGS, humanoid
from sim.robots.leg_chains import leg_chains

POINTS = ((0.1, 0.0, 0.0), (-0.1, 0.02, 0.01))

# An IMU above the waist, a foot below: the path goes up to the pelvis and down again. Links are
# turned, joints share a body, and a joint's zero is not where the model was drawn.
CROOKED = """
<mujoco><compiler angle="radian"/><worldbody>
  <body pos="0 0 1"><freejoint/><geom size="0.1"/>
    <body name="chest" pos="0.1 0 0.2" euler="0.2 0.1 0.4">
      <joint name="waist" axis="0.3 0.1 1" ref="0.5" pos="0 0.02 0"/>
      <geom size="0.1"/><site name="imu" pos="0.1 0.2 0.3" euler="3 0.2 1"/>
    </body>
    <body name="thigh" pos="0 0.1 -0.1" euler="0.5 0 0.1">
      <joint name="hip" axis="0 1 0"/><joint name="twist" axis="1 1 0" pos="0.01 0 0.03"/>
      <geom size="0.1"/>
      <body name="shank" pos="0 0 -0.4" euler="0 0.3 0">
        <joint name="knee" axis="0 1 0" ref="-0.2"/><geom size="0.1"/>
        <site name="foot" pos="0 0 -0.4" euler="0.1 0.2 0.3"/>
      </body>
    </body>
  </body>
</worldbody></mujoco>
"""


def crooked():
    model = mujoco.MjModel.from_xml_string(CROOKED)
    return model, "imu", ("foot",), ("waist", "hip", "twist", "knee")


def ours():
    robot = humanoid(0.3)
    model = mujoco.MjModel.from_xml_path(str(robot.model))
    return model, "imu", LEGS.feet, tuple(a.name for a in robot.actuators)


@pytest.mark.parametrize("make", [ours, crooked])
def test_feet_are_where_mujoco_has_them(make):
    model, imu, feet, joints = make()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    legs = LegKinematics(leg_chains(model, imu, feet, POINTS), joints)
    for _ in range(10):
        angles = rng.uniform(-1.0, 1.0, len(joints))
        data.qpos[:3] = rng.normal(size=3)
        data.qpos[3:7] = rng.normal(size=4)
        for name, angle in zip(joints, angles):
            data.joint(name).qpos = angle
        mujoco.mj_forward(model, data)
        to_imu = data.site(imu).xmat.reshape(3, 3).T
        positions = legs.move(angles).reshape(len(feet), len(POINTS), 3)
        for foot, points in zip(feet, positions):
            frame = data.site(foot).xmat.reshape(3, 3)
            for k, point in enumerate(POINTS):
                world = data.site(foot).xpos + frame @ np.array(point)
                expected = to_imu @ (world - data.site(imu).xpos)
                assert points[k] == pytest.approx(expected, abs=1e-9)


def test_a_slide_in_a_leg_is_refused():
    model = mujoco.MjModel.from_xml_string(
        CROOKED.replace('"knee" axis="0 1 0" ref="-0.2"', '"knee" type="slide"')
    )
    with pytest.raises(UserError, match="'knee'"):
        leg_chains(model, "imu", ("foot",))


def test_an_imu_on_another_body_is_refused():
    text = CROOKED.replace(
        "</worldbody>", '<body><freejoint/><geom size="1"/><site name="else"/></body></worldbody>'
    )
    with pytest.raises(UserError, match="one robot"):
        leg_chains(mujoco.MjModel.from_xml_string(text), "else", ("foot",))
