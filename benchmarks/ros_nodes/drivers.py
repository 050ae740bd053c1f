"""Stands in for a robot's drivers behind ROS topics, and for a bare node that answers them. Part of
`ros.py`.

The robot stands still. Its left elbow moves by a small step from sample to sample, and its
commander lets the command of that joint follow, which reveals the sample that a command answers.
"""

import dataclasses
import math
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple

import numpy as np
import rclpy
from control_loop import humanoid_contract, policy_bytes, random_network
from geometry_msgs.msg import WrenchStamped
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from edge_runtime.fusion.geodesy import Datum
from edge_runtime.loop.pacing import next_release, sleep_until
from edge_runtime.loop.realtime import RealtimeConfig, realtime
from edge_runtime.policy.contract import Contract
from edge_runtime.signals import JOINT_POS, Array
from ros_nodes.processes import FIFO
from sim2edge_ros.messages import cdr, topics
from sim2edge_ros.messages.subscriber_thread import SubscriberThread
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.frames import Frames
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher

PERIOD = 10_000_000  # ns: 100 Hz
READINGS = 4  # readings of the IMU in a period
_GAINS_EVERY, _ODOMETRY_EVERY = 10, 2  # periods, as the edge node publishes them by default
_JOINT = "left_elbow"
_STEPS, _STEP = 16, 0.005  # number of samples that can be needed apart, and their step, rad
_TERM = "joint_pos_rel"
_SOLE = 200.0, 2.0  # N on each sole, and its noise


class Answers(NamedTuple):
    """Collects what came back to the robot."""

    latencies: Array  # s from a sample's stamp to the first command that answers it
    samples: int  # samples that count
    missed: int  # periods that the robot itself missed


def contract() -> Contract:
    """Returns the contract of a policy for the humanoid with the legged estimator, at 100 Hz."""
    return dataclasses.replace(humanoid_contract(velocity=True), control_period=PERIOD * 1e-9)


def answering_policy() -> bytes:
    """Returns a network of the usual size whose action for that joint is what it observes of it."""
    needed = contract()
    network = random_network(needed)
    place = needed.joint_names.index(_JOINT)
    weight, bias = network.layers[-1]
    weight[place] = 0.0
    prior = np.zeros((len(needed.actuators), needed.observation_size), np.float32)
    prior[place, _place_of_joint(needed, place)] = 1.0
    last = (weight, bias)
    return policy_bytes(
        dataclasses.replace(network, layers=(*network.layers[:-1], last), prior=prior), needed
    )


def _place_of_joint(needed: Contract, place: int) -> int:
    """Returns the index of the joint's newest position in the observation."""
    start = 0
    for term, size in zip(needed.observations, needed.term_sizes):
        if term.name == _TERM:
            return start + size - len(needed.joint_names) + place
        start += size
    raise ValueError(f"the policy does not observe {_TERM}")


def run_drivers(answered: Event, measuring: Event, stop: Event, to: Connection) -> None:
    """Runs the robot, in a process of its own.

    Args:
        answered: set when it is commanded.
        measuring: set while answers count.
        stop: set at the end.
        to: where `Answers` are sent then.
    """
    context = _context()
    node = Node("drivers", context=context)
    subscriber, answers = SubscriberThread(node, "commands"), list[tuple[float, float]]()
    place = contract().joint_names.index(_JOINT)

    def take(data: bytes, _number: int | None) -> None:
        answers.append((time.monotonic(), float(cdr.unpack_array(data)[place])))
        answered.set()

    for topic in (topics.STIFFNESS, topics.DAMPING):
        subscriber.subscribe(Float64MultiArray, topic, lambda *_: None, topics.COMMAND)
    subscriber.subscribe(Float64MultiArray, topics.POSITION, take, topics.COMMAND)
    node.create_subscription(Odometry, topics.ODOMETRY, lambda message: None, topics.STATE)
    subscriber.start()
    with realtime(RealtimeConfig(fifo=FIFO - 1)):
        stamps, missed = _publish(node, measuring, stop)
    subscriber.close()
    to.send(Answers(_latencies(stamps, answers), len(stamps) - 2 * _STEPS, missed))
    node.destroy_node()
    rclpy.shutdown(context=context)


def _publish(node: Node, measuring: Event, stop: Event) -> tuple[dict[int, float], int]:
    """Publishes samples until the end; returns the stamps of those that count, and the missed
    periods."""
    robot = robot_file.load("humanoid")
    description = robot.description
    frames = Frames("", "odom", "base_link")
    sensors = SensorPublisher(
        node, robot, description, PERIOD * 1e-9, Datum(0.0, 0.0, 0.0), False, frames
    )
    sample = np.zeros(description.sample_size, np.float32)
    values = {name: rows[0] for name, rows in description.split(sample).items()}
    default = np.array([a.default for a in contract().actuators], np.float32)
    burst = values["imu_burst"].reshape(-1, 6)
    rng, place = np.random.default_rng(0), description.joint_names.index(_JOINT)
    stamps: dict[int, float] = {}
    offset, release = time.time_ns() - time.monotonic_ns(), time.monotonic_ns()
    number, missed = 0, 0
    while not stop.is_set():
        values[JOINT_POS][:] = default + 1e-4 * rng.standard_normal(len(default))
        values[JOINT_POS][place] = default[place] + _STEP * (number % _STEPS)
        # No value repeats, for a repeated one would count as frozen.
        values["foot_force"][:] = rng.normal(*_SOLE, 2)
        burst[:] = rng.normal((0, 0, 0, 0, 0, 9.81), 0.01, burst.shape)
        sensors.publish(release + offset, sample)
        if measuring.is_set():
            stamps[number] = release * 1e-9
        number += 1
        release, skipped = next_release(release, time.monotonic_ns(), PERIOD)
        missed += skipped if measuring.is_set() else 0
        sleep_until(release)
    return stamps, missed


def _latencies(stamps: dict[int, float], answers: list[tuple[float, float]]) -> Array:
    """Returns the latency of each sample's first answer.

    The command of the joint is its step times a gain, which follows from the span of all commands.
    """
    values = np.array([value for _moment, value in answers])
    lowest, highest = values.min(), values.max()
    steps = np.rint((values - lowest) / (highest - lowest) * (_STEPS - 1)).astype(int)
    first: dict[int, float] = {}
    numbers, times = np.array(list(stamps)), np.array(list(stamps.values()))
    for (moment, _value), step in zip(answers, steps):
        newest = int(numbers[max(int(np.searchsorted(times, moment)) - 1, 0)])
        answered = newest - (newest - int(step)) % _STEPS
        first.setdefault(answered, moment - stamps.get(answered, math.nan))
    # For the first and the last sample, some answers came while they did not count.
    counted = numbers[_STEPS:-_STEPS].tolist()
    return np.array([first[number] for number in counted if number in first])


def run_bare_node(stop: Event) -> None:
    """Runs a bare rclpy node under the same load, in a process of its own.

    It receives the same messages, and answers each sample with as many and as large ones.
    """
    context = _context()
    node = Node("echo", context=context)
    positions: Any = None
    readings, gains = 0, [0.0] * len(contract().actuators)
    publishers = [
        node.create_publisher(Float64MultiArray, topic, topics.COMMAND)
        for topic in (topics.STIFFNESS, topics.DAMPING, topics.POSITION)
    ]
    odometry = node.create_publisher(Odometry, topics.ODOMETRY, topics.STATE)

    def take_joints(message: JointState) -> None:
        nonlocal positions
        positions = message.position

    def take_imu(message: Imu) -> None:
        nonlocal readings
        readings += 1
        if readings % READINGS or positions is None:
            return
        if readings // READINGS % _GAINS_EVERY == 0:
            for publisher in publishers[:2]:
                publisher.publish(Float64MultiArray(data=gains))
        publishers[2].publish(Float64MultiArray(data=positions))
        if readings // READINGS % _ODOMETRY_EVERY == 0:
            odometry.publish(Odometry())

    subscribe = node.create_subscription
    subscribe(JointState, topics.JOINTS, take_joints, topics.SENSOR)
    for foot in robot_file.load("humanoid").feet:
        topic = topics.FOOT.format(foot)
        subscribe(WrenchStamped, topic, lambda message: None, topics.SENSOR)
    subscribe(Imu, topics.IMU_RAW, take_imu, topics.SENSOR)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    with realtime(RealtimeConfig(fifo=FIFO, lock_memory=True)):
        while not stop.is_set():
            try:
                executor.spin_once(timeout_sec=0.2)
            except ExternalShutdownException:
                break
    node.destroy_node()
    rclpy.shutdown(context=context)


def _context() -> Context:
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    return context
