"""The moving model is shown without tf2_msgs, which PyPI does not have."""

import sys
import time
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from sim2edge_ros.messages import topics
from sim2edge_ros.messages.tf_message import tf_message
from sim2edge_ros.model.model_publisher import Joints, ModelPublisher
from sim2edge_ros.settings import robot_file
from tests.ros.graph.ros_graph import Probe, running, up
from tests.ros.model.transforms import transforms
from tests.ros.recorder.bags import rosbags_values

# As every ROS installation has it.
_HASH = "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"


def matrix(pose: np.ndarray) -> np.ndarray:
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, pose[[6, 3, 4, 5]])
    return np.block([[rotation.reshape(3, 3), pose[:3, None]], [np.zeros((1, 3)), np.ones((1, 1))]])


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_the_links_are_where_mujoco_has_them(robot: str) -> None:
    """For the URDF itself, read by MuJoCo, in a random posture."""
    path = robot_file.model(robot)
    folder = path.with_name(f"{robot}_meshes")
    text = path.read_text().replace(f"package://sim2edge_ros/robots/{robot}_meshes", str(folder))
    options = 'fusestatic="false" boundmass="1e-3" boundinertia="1e-6"'
    end = f"<mujoco><compiler {options}/></mujoco></robot>"
    model = mujoco.MjModel.from_xml_string(text.replace("</robot>", end))
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    moving, fixed = Joints(text, moving=True), Joints(text, moving=False)
    positions = rng.uniform(-0.5, 0.5, len(moving.names))
    for name, position in zip(moving.names, positions):
        data.joint(name).qpos[0] = position
    mujoco.mj_forward(model, data)
    in_world = {"base_link": np.eye(4)}
    pairs = [*zip(moving.links, moving.poses(positions))]
    pairs += [*zip(fixed.links, fixed.poses(np.zeros(len(fixed.names))))]
    while pairs:
        (parent, child), pose = pairs.pop(0)
        if parent in in_world:
            in_world[child] = in_world[parent] @ matrix(pose)
        else:
            pairs.append(((parent, child), pose))
    assert len(in_world) == len(moving.names) + len(fixed.names) + 1
    for name, pose in in_world.items():
        if name != "base_link":
            body = data.body(name)
            np.testing.assert_allclose(pose[:3, 3], body.xpos, atol=1e-6)
            np.testing.assert_allclose(pose[:3, :3], body.xmat.reshape(3, 3), atol=1e-6)


def test_frames_and_model_come_over_dds(node: Any) -> None:
    urdf = robot_file.model("vehicle").read_text()
    speaker = Node("speaker", context=node.context)
    received: dict[str, list[Any]] = {topics.TF: [], topics.TF_STATIC: [], topics.MODEL: []}
    ModelPublisher(node, urdf, "car/")
    kind = tf_message()
    for topic in (topics.TF, topics.TF_STATIC):
        qos = topics.LATCHED if topic == topics.TF_STATIC else 10
        speaker.create_subscription(kind, topic, received[topic].append, qos, raw=True)
    model = received[topics.MODEL]
    speaker.create_subscription(String, topics.MODEL, model.append, topics.LATCHED)
    joints = speaker.create_publisher(JointState, topics.JOINTS, topics.STATE)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    executor.add_node(speaker)
    message, until = JointState(name=["steering", "other"], position=[0.2, 9.0]), 20.0
    until += time.monotonic()
    while not all(received.values()) and time.monotonic() < until:
        message.header.stamp = speaker.get_clock().now().to_msg()
        joints.publish(message)
        executor.spin_once(timeout_sec=0.02)
    assert model[0].data == urdf
    (info,) = speaker.get_publishers_info_by_topic(topics.TF)
    assert info.topic_type == "tf2_msgs/msg/TFMessage"
    if hasattr(info, "topic_type_hash"):
        assert str(info.topic_type_hash) == _HASH
    moving = {t.child_frame_id: t for t in transforms(received[topics.TF][-1])}
    still = {t.child_frame_id: t for t in transforms(received[topics.TF_STATIC][0])}
    assert set(moving).isdisjoint(still)
    assert {t.header.frame_id for t in moving.values()} >= {"car/base_link"}
    turned = [t.transform.rotation.z for t in moving.values() if abs(t.transform.rotation.z) > 0.05]
    assert turned == pytest.approx([np.sin(0.1)] * len(turned)) and turned
    assert min(t.header.stamp.sec for t in moving.values()) > 0
    executor.shutdown()
    speaker.destroy_node()


@pytest.mark.slow
def test_a_real_robots_node_publishes_its_model_or_says_what_is_missing(node: Any) -> None:
    command = [sys.executable, "-m", "sim2edge_ros.model.model_node", "--ros-args", "-p"]
    with running([*command, "robot:=no_such"]) as graph:
        assert graph.process.wait(60.0) == 2
    assert "model_node: robot 'no_such' has no URDF; it belongs at" in graph.output
    models: list[Any] = []
    node.create_subscription(String, topics.MODEL, models.append, topics.LATCHED)
    with running([*command, "robot:=vehicle"]) as graph:
        Probe(node).until(lambda: bool(models), "the model comes")
        assert graph.interrupt() == 0
    assert models[0].data == robot_file.model("vehicle").read_text()


@pytest.mark.slow
def test_a_bag_shows_the_moving_model(tmp_path: Path) -> None:
    """With the PyPI install: read by rosbags, with the definitions that the bag holds."""
    with up("vehicle", "--record", str(tmp_path)) as graph:
        graph.until("edge_node]: active")
        time.sleep(4.0)
        assert graph.interrupt() == 0, graph.output
    (bag,) = tmp_path.glob("bag_*")
    values = rosbags_values(bag)
    frames = {t.child_frame_id for m in values["/tf"] for t in m.transforms}  # type: ignore[attr-defined]
    assert "base_link" in frames, "odometry's"
    assert len(frames) > 5, "and the links'"
    assert len(values["/tf"]) > 100
    assert values["/tf_static"] and values["/robot_description"]
