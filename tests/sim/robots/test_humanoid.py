"""The humanoid's model against what is promised of it."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from sim.envs.vector_env import TaskVectorEnv
from sim.robots.humanoid import LEGS, humanoid
from sim.robots.legs import standing_pose
from sim.tasks.walking.config import HumanoidVelocity
from tests.sim.envs.test_vector_env import exact

ROBOT = humanoid(0.3)
MODEL = mujoco.MjModel.from_xml_path(str(ROBOT.model))
JOINTS = [a.name for a in ROBOT.actuators]


def test_size_and_mass_are_a_small_adults() -> None:
    data = mujoco.MjData(MODEL)
    mujoco.mj_forward(MODEL, data)
    lowest = data.site("left_foot").xpos[2]
    top = data.geom("head").xpos[2] + MODEL.geom("head").size[2]
    assert 1.3 < top - lowest < 1.7
    assert 35 < MODEL.body_subtreemass[1] < 60
    assert len(JOINTS) >= 19


@pytest.mark.parametrize("joint", JOINTS)
def test_each_actuator_moves_its_joint_to_the_target(joint: str) -> None:
    """Hung by the pelvis, without gravity: a locked or crossed joint would not arrive."""
    model = mujoco.MjModel.from_xml_path(str(ROBOT.model))
    model.opt.gravity[:] = 0
    data = mujoco.MjData(model)
    data.qpos[2] = 3.0
    i = JOINTS.index(joint)
    actuator = ROBOT.actuators[i]
    target = 0.5 * (actuator.upper if actuator.upper > -actuator.lower else actuator.lower)
    data.ctrl[i] = target
    mujoco.mj_step(model, data, 800)
    assert data.joint(joint).qpos[0] == pytest.approx(target, abs=0.1)


def test_limbs_mirror() -> None:
    for name in JOINTS:
        if name.startswith("left_"):
            left, right = (ROBOT.actuators[JOINTS.index(n)] for n in (name, "right" + name[4:]))
            assert left.stiffness == right.stiffness
            assert left.max_effort == right.max_effort
            width = left.upper - left.lower
            assert width == pytest.approx(right.upper - right.lower)


def test_limits_are_finite_and_hold_the_default_pose() -> None:
    for a in ROBOT.actuators:
        assert a.lower < a.default < a.upper
        assert 0 < a.max_effort < 200
        assert 0 < a.max_velocity < 30
        assert a.stiffness > 0
        assert a.damping > 0


def test_both_soles_feel_half_the_weight_in_standing() -> None:
    env = TaskVectorEnv(exact(HumanoidVelocity()), 1, threads=1, all_signals=True)
    for _ in range(40):
        env.step(np.zeros((1, len(JOINTS))))
    weight = MODEL.body_subtreemass[1] * 9.81
    np.testing.assert_allclose(env.signals["foot_force"], weight / 2, rtol=0.1)


def test_what_is_written_down_of_its_legs_is_what_the_model_has() -> None:
    derived = standing_pose(MODEL, ROBOT.actuators, replace(LEGS, start_height=None))
    np.testing.assert_allclose(standing_pose(MODEL, ROBOT.actuators, LEGS), derived, atol=1e-12)
    assert ROBOT.added == ()
    roll_and_yaw = [-1.0 if n.endswith(("yaw", "roll")) else 1.0 for n in JOINTS]
    assert list(ROBOT.mirror_signs) == roll_and_yaw
