import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.config import LegChain, LegJoint
from edge_runtime.fusion.legged.kinematics import LegKinematics

LEG = LegChain(
    name="left",
    joints=(
        LegJoint("hip", (0.0, 0.1, -0.05), (1.0, 0.0, 0.0)),
        LegJoint("knee", (0.01, 0.0, -0.4), (0.0, 1.0, 0.0)),
        LegJoint("ankle", (0.0, 0.0, -0.4), (0.0, 0.6, 0.8)),
    ),
    points=((0.1, 0.0, -0.05), (-0.1, 0.0, -0.05)),
)
JOINTS = ("ankle", "waist", "hip", "knee")
angles = st.lists(st.floats(-1.5, 1.5), min_size=4, max_size=4).map(np.array)


def test_a_straight_leg_is_the_sum_of_its_offsets():
    positions = LegKinematics([LEG], JOINTS).move(np.zeros(4))
    assert positions[0] == pytest.approx([0.11, 0.1, -0.9])
    assert positions[1] == pytest.approx([-0.09, 0.1, -0.9])


def test_a_bent_knee_swings_the_foot_back():
    positions = LegKinematics([LEG], JOINTS).move(np.array([0.0, 0.7, 0.0, np.pi / 2]))
    assert positions[0] == pytest.approx([0.01 - 0.45, 0.1, -0.45 - 0.1])


@given(angles)
@settings(max_examples=30)
def test_the_jacobian_is_the_derivative(q):
    legs = LegKinematics([LEG], JOINTS)
    legs.move(q)
    jacobian = legs.jacobian.copy()
    for column, joint in enumerate(legs.joints):
        step = np.zeros(4)
        step[joint] = 1e-6
        slope = (legs.move(q + step).copy() - legs.move(q - step)) / 2e-6
        assert jacobian[:, :, column] == pytest.approx(slope, abs=1e-8)


def test_two_legs_move_as_each_alone():
    other = LegChain("right", LEG.joints[1:], ((0.0, 0.02, -0.1),))
    q = np.array([0.3, -0.2, 0.5, 1.1])
    both = LegKinematics([LEG, other], JOINTS)
    both.move(q)
    assert both.leg_of_point.tolist() == [0, 0, 1]
    for leg, points, joints in ((LEG, slice(0, 2), slice(0, 3)), (other, slice(2, 3), slice(3, 5))):
        alone = LegKinematics([leg], JOINTS)
        np.testing.assert_array_equal(both.positions[points], alone.move(q))
        np.testing.assert_array_equal(both.jacobian[points, :, joints], alone.jacobian)
    assert not both.jacobian[:2, :, 3:].any() and not both.jacobian[2:, :, :3].any()


def test_a_chain_is_plain_json():
    assert json.loads(json.dumps(asdict(LEG)))["joints"][1]["name"] == "knee"


def test_a_joint_the_robot_lacks_is_named():
    with pytest.raises(UserError, match="no joint 'ankle'"):
        LegKinematics([LEG], ("hip", "knee"))


def test_an_axis_of_four_decimals_is_a_unit_vector():
    rounded = LegChain("left", (LegJoint("hip", (0, 0, 0), (0.7071, 0, 0.7071)),), ((0, 0, 0),))
    LegKinematics([rounded], ("hip",))


def test_an_axis_of_another_length_is_refused():
    bad = LegChain("left", (LegJoint("hip", (0, 0, 0), (0, 2, 0)),), ((0, 0, 0),))
    with pytest.raises(UserError, match="length 1"):
        LegKinematics([bad], ("hip",))
