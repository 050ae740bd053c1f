"""The examples for ros2_control match what the edge node publishes and what it reads."""

from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from xml.etree import ElementTree

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


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_the_urdf_has_the_interfaces_that_the_controllers_claim(robot: str) -> None:
    """With mock hardware, which comes with ros2_control in every release."""
    urdf = ElementTree.parse(robot_file.model(robot)).getroot()
    (tag,) = urdf.findall("ros2_control")
    assert tag.findtext("hardware/plugin") == "mock_components/GenericSystem"
    joints = {joint.get("name") for joint in urdf.findall("joint")}
    assert {part.get("name") for part in tag.findall("joint")} <= joints
    exported = {
        (kind, f"{part.get('name')}/{interface.get('name')}")
        for part in tag
        for kind in ("command_interface", "state_interface")
        for interface in part.findall(kind)
    }
    path = default_parameters(robot).with_name(f"{robot}_controllers.yaml")
    content = yaml.safe_load(path.read_text())
    content.pop("controller_manager")
    claimed = {
        ("command_interface", f"{joint}/{given['interface_name']}")
        for section in content.values()
        if "joints" in (given := section["ros__parameters"])
        for joint in given["joints"]
    }
    assert claimed == {one for one in exported if one[0] == "command_interface"}
    described = robot_file.load(robot)
    needed = [f"{described.imu_frame}/angular_velocity.x", f"{described.imu_frame}/orientation.w"]
    needed += [f"{foot}/force.z" for foot in described.feet]
    needed += [f"{wheel}/velocity" for wheel in described.wheel_joints]
    assert {("state_interface", name) for name in needed} <= exported


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_the_example_says_how_each_release_gives_parameters_and_remaps(robot: str) -> None:
    path = default_parameters(robot).with_name(f"{robot}_controllers.yaml")
    head = " ".join(line[1:] for line in path.read_text().splitlines() if line.startswith("#"))
    older, newer = head.split("From Jazzy on")
    types = yaml.safe_load(path.read_text())["controller_manager"]["ros__parameters"]
    for name in types.keys() - {"update_rate"}:
        assert f" {name} " in older and f" {name} " in newer
    assert "--param-file " not in older
    assert newer.count("--param-file THIS_FILE") == 2
    remap = "imu_sensor_broadcaster/imu:=imu/data"
    assert f'--controller-ros-args "--ros-args --remap {remap}"' in head
