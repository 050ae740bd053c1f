"""Which part of a scene is the robot, and where its base is."""

from pathlib import Path

import mujoco
import pytest

from edge_runtime.errors import UserError
from sim.urdf import convert
from sim.urdf.model_robot import find_model_robot
from tests.sim.urdf.mjcf import HINGE, INERTIAL, MOTOR, arm, floating, model

BALL = '<body name="ball"><freejoint/><geom size="0.1"/></body>'
TABLE = '<body name="table"><geom type="box" size="1 1 0.1"/></body>'


def test_the_ground_and_what_stands_on_it_are_no_part_of_it() -> None:
    ground = '<geom name="ground" type="plane" size="1 1 1"/>'
    tree = convert(model(ground + TABLE + floating(arm(HINGE)), MOTOR)).tree
    assert [link.name for link in tree.links] == ["base_link", "arm", "torso"]


def test_it_is_what_the_motors_move() -> None:
    built = model(BALL + TABLE + floating(arm(HINGE)), MOTOR)
    assert built.body(find_model_robot(built).root).name == "torso"


def test_two_that_might_be_it_are_named() -> None:
    built = model(BALL + floating(arm(HINGE)))
    with pytest.raises(UserError, match="there are ball, torso; name one by --root"):
        find_model_robot(built)
    assert built.body(find_model_robot(built, "ball").root).name == "ball"


def test_an_unknown_root_is_refused() -> None:
    built = model(floating(arm(HINGE)), MOTOR)
    with pytest.raises(UserError, match="--root arm: no such body stands in the world"):
        find_model_robot(built, "arm")
    with pytest.raises(UserError, match="torso floats freely"):
        find_model_robot(built, "world")


def test_an_empty_world_has_no_robot() -> None:
    with pytest.raises(UserError, match="has no body"):
        find_model_robot(model('<geom type="plane" size="1 1 1"/>'))


def test_an_arm_on_a_table_stands_on_its_base() -> None:
    mounted = f'<body name="mount" pos="0 0 1">{INERTIAL}{arm(HINGE)}</body>'
    tree = convert(model(mounted, MOTOR)).tree
    assert [link.name for link in tree.links] == ["base_link", "arm", "mount"]


def test_joints_of_the_first_body_move_against_a_base_without_mass() -> None:
    planar = arm('<joint name="x" type="slide" axis="1 0 0"/><joint name="y" axis="0 1 0"/>')
    tree = convert(model(planar)).tree
    assert [link.name for link in tree.links] == ["base_link", "x_link", "arm"]
    assert tree.links[0].inertial.mass == 0.0


def test_two_arms_in_one_world() -> None:
    both = arm(HINGE) + arm('<joint name="other" axis="1 0 0"/>', name="second")
    tree = convert(model(both, MOTOR), root="world").tree
    assert [j.name for j in tree.joints] == ["shoulder", "other"]


def test_names_that_ros_does_not_allow_are_changed_and_reported() -> None:
    spaced = arm('<joint name="left hip" axis="0 1 0"/>', name="left thigh")
    conversion = convert(model(floating(spaced)))
    assert [j.name for j in conversion.tree.joints] == ["left_hip", "torso_fixed"]
    assert {link.name for link in conversion.tree.links} >= {"left_thigh"}
    reported = [str(gap) for gap in conversion.unsupported]
    assert "warning: name of joint: 'left hip' is 'left_hip'" in reported
    assert "warning: name of body: 'left thigh' is 'left_thigh'" in reported


def test_names_are_given_once() -> None:
    twins = arm('<joint name="a b"/>', name="l 1") + arm('<joint name="a_b"/>', name="l_1")
    tree = convert(model(floating(twins))).tree
    assert [j.name for j in tree.joints if j.limits] == ["a_b", "a_b_2"]
    assert [link.name for link in tree.links][1:3] == ["l_1", "l_1_2"]


def test_bodies_without_names_are_called_by_number() -> None:
    inside = f"<body>{INERTIAL}<joint/></body>"
    tree = convert(model(floating(inside))).tree
    assert [link.name for link in tree.links] == ["base_link", "body_2", "torso"]
    assert tree.joints[0].name == "joint_1"


def test_a_body_of_the_robot_may_be_called_base_link() -> None:
    tree = convert(model(floating(arm(HINGE, name="base_link")), MOTOR)).tree
    assert [link.name for link in tree.links] == ["torso", "base_link"]
    own = convert(model(floating(arm(HINGE), name="base_link"), MOTOR)).tree
    assert [link.name for link in own.links] == ["base_link", "arm"]


def test_the_robots_name_is_the_models() -> None:
    built = mujoco.MjModel.from_xml_path(str(Path("assets/vehicle/scene.xml").resolve()))
    assert convert(built).tree.name == "vehicle"
