import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion.legged.config import ContactConfig, ForceConfig
from edge_runtime.fusion.legged.contact import ContactProbability, TorqueForces, force_by_torque
from edge_runtime.fusion.legged.kinematics import LegKinematics
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix, so3_exp
from tests.edge_runtime.fusion.legged.test_kinematics import JOINTS, LEG

CONFIG = ContactConfig(touch=ForceConfig(40.0, 5.0, 15.0))


def probability(contact, *forces):
    return [float(contact.update([f])[0]) for f in forces]


def test_load_tells_contact():
    contact = ContactProbability(CONFIG, 1)
    lifted, landed, stands, unloaded = probability(contact, 0.0, 120.0, 300.0, 0.0)
    assert lifted < 1e-3
    assert landed > 0.99
    assert stands > 0.99
    assert unloaded < 0.01


def test_a_force_in_between_leaves_a_foot_as_it_is():
    contact = ContactProbability(CONFIG, 1)
    assert probability(contact, 0.0, 40.0)[-1] < 0.1
    assert probability(contact, 100.0, 40.0)[-1] > 0.9


@given(st.lists(st.one_of(st.floats(), st.floats(-100, 500)), min_size=1, max_size=20))
def test_any_reading_gives_a_probability_or_nan(forces):
    contact = ContactProbability(CONFIG, 1)
    for force, p in zip(forces, probability(contact, *forces)):
        assert math.isnan(p) if math.isnan(force) else 0.0 <= p <= 1.0


def test_nan_does_not_change_what_is_known():
    contact = ContactProbability(CONFIG, 1)
    assert probability(contact, 100.0, math.nan, 40.0)[-1] > 0.9


def test_torques_tell_the_force_under_a_foot():
    legs = LegKinematics([LEG], JOINTS)
    legs.move(np.array([0.3, 0.0, 0.1, 1.2]))
    up = np.array([0.05, -0.1, 0.99])
    ground = 250.0 * up / (up @ up)
    torque = -legs.jacobian[0].T @ ground
    assert force_by_torque(legs.jacobian[:1], torque, up, 0.0) == pytest.approx(250.0)
    assert force_by_torque(legs.jacobian[:1], torque, up, 0.02) == pytest.approx(250.0, rel=0.15)


def test_a_stretched_leg_gives_no_absurd_force():
    legs = LegKinematics([LEG], JOINTS)
    legs.move(np.zeros(4))
    noise = np.array([1.0, -1.0, 1.0])  # Nm
    assert abs(force_by_torque(legs.jacobian[:1], noise, np.array([0, 0, 1.0]), 0.02)) < 50.0


def by_torque(contact, *forces):
    return [float(contact.update(torque=[f])[0]) for f in forces]


def test_torques_alone_tell_contact_with_hysteresis():
    contact = ContactProbability(CONFIG, 1)
    lifted, hardly, landed, stands, unloaded = by_torque(contact, 0.0, 100.0, 300.0, 50.0, -100.0)
    assert max(lifted, hardly, unloaded) < 0.1
    assert min(landed, stands) > 0.9


def test_touch_overrules_torques_that_a_swinging_leg_has():
    contact = ContactProbability(CONFIG, 1)
    assert contact.update([0.0], [300.0])[0] < 0.1
    assert contact.update([300.0], [0.0])[0] > 0.9


def test_torques_stand_in_for_a_touch_sensor_that_is_lost():
    contact = ContactProbability(CONFIG, 1)
    assert contact.update([math.nan], [300.0])[0] > 0.9
    assert contact.update([math.nan], [-100.0])[0] < 0.1
    assert math.isnan(contact.update([math.nan], [math.nan])[0])


def test_the_torques_of_all_joints_are_sorted_out_by_leg():
    names = ("waist", "left ankle", "right hip", "left hip", "right knee", "left knee")
    sides = {"left": LEG.joints, "right": LEG.joints[:2]}
    chains = [
        replace(LEG, joints=tuple(replace(j, name=f"{side} {j.name}") for j in joints))
        for side, joints in sides.items()
    ]
    legs, attitude = (
        LegKinematics(chains, names),
        matrix_to_quaternion(so3_exp(np.array([0.1, -0.2, 0.5]))),
    )
    legs.move(np.array([0.0, 0.3, 0.1, -0.2, 0.9, 1.2]))
    up = quaternion_to_matrix(attitude)[2]
    torque, loads = np.full(len(names), 1e3), (250.0, 90.0)
    for points, joints, load in (
        (slice(0, 2), slice(0, 3), loads[0]),
        (slice(2, 4), slice(3, 5), loads[1]),
    ):
        mean = legs.jacobian[points, :, joints].mean(axis=0)
        torque[legs.joints[joints]] = -mean.T @ (load * up)
    forces = TorqueForces(legs, 1e-4)
    assert forces.update(torque, attitude)[0] == pytest.approx(loads[0], rel=0.01)
    torque[legs.joints[0]] = math.nan
    assert np.isnan(forces.update(torque, attitude)).tolist() == [True, False]
