"""A policy reads and drives the joints of a robot that numbers them otherwise."""

import dataclasses

import numpy as np

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.observation.builder import TermConfig
from edge_runtime.observation.terms import term
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import JOINT_TORQUE, Array, Signal
from tests.edge_runtime.leg import BURST, JOINTS, SENSORS, LegRobot, make_contract, make_model

SWAPPED = ("ankle", "hip", "knee")
TORQUE = Signal(JOINT_TORQUE, 3, "Nm")


@term(reads=(JOINT_TORQUE,), unit="Nm")
def torque_of_test(torque: Array) -> Array:
    return torque


def test_each_signal_of_the_joints_is_read_in_the_policys_order() -> None:
    names = ("joint_pos", "joint_vel", JOINT_TORQUE)
    contract = make_contract()
    contract = dataclasses.replace(
        contract,
        observations=(*contract.observations, TermConfig("torque_of_test")),
        signals=(*contract.signals, TORQUE),
    )
    policy, fusion = Policy(make_model(contract)), AttitudeFusion(0.02, BURST)
    robot = dataclasses.replace(LegRobot(SWAPPED).description, signals=(*SENSORS, TORQUE))
    sensed = robot.split(np.zeros(robot.sample_size, np.float32))
    controller = Controller(policy, robot, fusion, {**sensed, **fusion.estimates})
    for name in names:
        sensed[name][0] = [1.0 + JOINTS.index(joint) for joint in SWAPPED]
    controller.observe()
    for name in names:
        assert controller.signals[name].tolist() == [[1.0, 2.0, 3.0]], name
    assert policy.observation[0, -3:].tolist() == [1.0, 2.0, 3.0]
