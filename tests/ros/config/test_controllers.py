"""The examples for ros2_control match what the edge node publishes and what it reads."""

from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install 'sim2edge[ros]'")

import yaml

from edge_runtime.policy.contract import POSITION
from edge_runtime.policy.inference import Policy
from sim2edge_ros.commands.actuation import CommandPublisher
from sim2edge_ros.messages import topics
from sim2edge_ros.processes.up import default_parameters
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.robot_file import default_policy

FORWARD = "forward_command_controller/ForwardCommandController"


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_controllers_list_joints_in_the_order_of_the_arrays(node: Any, robot: str) -> None:
    path = default_parameters(robot).with_name(f"{robot}_controllers.yaml")
    reported = {
        name: part["ros__parameters"] for name, part in yaml.safe_load(path.read_text()).items()
    }
    types = reported.pop("controller_manager")
    described = robot_file.load(robot)
    contract = Policy.load(default_policy(robot)).contract
    modes = {a.name: a.mode for a in contract.actuators}
    joints = described.description.joint_names
    expected = {
        topics.POSITION: [j for j in joints if modes[j] == POSITION],
        topics.VELOCITY: [j for j in joints if modes[j] != POSITION],
        topics.STIFFNESS: list(joints),
        topics.DAMPING: list(joints),
    }
    listed = {
        f"{name}/commands": part["joints"]
        for name, part in reported.items()
        if types[name]["type"] == FORWARD
    }
    assert listed == {topic: names for topic, names in expected.items() if names}
    published = CommandPublisher(node, contract.actuators, 0.02, described.description.wheeled, "")
    assert set(listed) <= set(published.topics)
    published.close()
    assert reported["imu_sensor_broadcaster"]["frame_id"] == described.imu_frame
    assert set(described.feet) == {n for n in reported if "force_torque" in types[n]["type"]}
    assert {"joint_state_broadcaster", *reported} == set(types) - {"update_rate"}
