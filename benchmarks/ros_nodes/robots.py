"""Runs both robots through the whole graph, beside the same in one process. Part of `ros.py`.

`sim2edge up` starts the simulated robot and its edge node in real time, which communicate over DDS.
The robot's true motion comes from the truth topic, or in one process from the simulation itself,
and is judged alike.
"""

import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from control_loop import empty_loop
from figures import Figure
from nav_msgs.msg import Odometry

from edge_runtime.estimators import find_fusion, find_name
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.contract import Command
from edge_runtime.policy.inference import Policy
from edge_runtime.rotations import yaw
from edge_runtime.signals import Array, Float
from ros_nodes.listener import Listener
from ros_nodes.processes import Running, running
from sim.racing.position import Locator
from sim.robots.vehicle import OUTLINE
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.driving.task import DrivingTask
from sim.tasks.task import find_robot_task
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.robot_file import default_policy
from sim2edge_ros.simulator.sensor_publisher import TRUTH

TASKS = {"humanoid": "HumanoidVelocity", "vehicle": "VehicleTrack"}
_FALLEN = 0.5  # m, height of the pelvis
_HOLDS = 5.0  # s for which a command stays the same
_SHARE = 0.7  # share of the trained command range that is used
_SETTLING = 2.0  # s after a change of the command that do not count
_STRIDE = 0.8  # s over which a speed is averaged
_SPAWN = multiprocessing.get_context("spawn")


class Schedule:
    """Gives the commands to a robot by the time since its start."""

    def __init__(self, commands: tuple[Command, ...], seconds: float) -> None:
        rng = np.random.default_rng(0)
        self.count = len(commands)
        lower, upper = (np.array([getattr(c, of) for c in commands]) for of in ("lower", "upper"))
        phases = math.ceil(seconds / _HOLDS) + 1
        drawn = _SHARE * rng.uniform(lower, upper, (phases, self.count))
        self._phases: Array = drawn.astype(np.float32)

    def at(self, seconds: float) -> Array:
        """Returns the command, (commands,)."""
        return self._phases[min(int(max(seconds, 0.0) / _HOLDS), len(self._phases) - 1)]


@dataclass
class Motion:
    """Describes the motion of the IMU in the world."""

    time: list[float] = field(default_factory=list)  # s
    place: list[Any] = field(default_factory=list)  # m, (3,) each
    attitude: list[Any] = field(default_factory=list)  # wxyz
    forward: list[float] = field(default_factory=list)  # m/s, in the body's frame

    def add(self, moment: float, place: Any, attitude: Any, forward: float) -> None:
        self.time.append(moment)
        self.place.append(place)
        self.attitude.append(attitude)
        self.forward.append(forward)


@dataclass(frozen=True)
class DriveResult:
    """Holds the result of a drive."""

    seconds: float  # until the robot fell, or left the track
    error: float  # m/s, RMS error of the speed
    travelled: float  # m
    missed: int = 0  # deadlines
    missed_empty: int = 0  # deadlines that a loop without work missed meanwhile


def through_the_graph(robot: str, seconds: float) -> list[Figure]:
    """Returns the rows of one robot."""
    inside, graph = in_process(robot, seconds), over_ros(robot, seconds)
    name = f"{robot}, {seconds:g} s through the graph"
    what = "upright" if robot == "humanoid" else "on its track"
    beside = f"in one process {inside.seconds:.0f} s"
    if robot == "humanoid":
        beside += f"; speed off by {graph.error:.3f} m/s, in one process {inside.error:.3f}"
    else:
        beside += f"; {graph.travelled:.0f} m, in one process {inside.travelled:.0f}"
    return [
        Figure(f"{name}, {what}", graph.seconds, "s", math.floor(inside.seconds), beside),
        Figure(
            f"{name}, missed beyond an empty loop's",
            max(0, graph.missed - graph.missed_empty),
            "deadlines",
            0,
            f"empty loop missed {graph.missed_empty}, this one {graph.missed}",
            at_least=False,
        ),
    ]


def world(robot: str) -> SimulatedRobot:
    """Returns the world that `sim_node` has."""
    task = find_robot_task(TASKS[robot])
    return SimulatedRobot(replace(task.nominal(), noise=task.noise), truth=True)


def in_process(robot: str, seconds: float) -> DriveResult:
    """Runs robot, estimator and policy in lockstep."""
    simulated, motion = world(robot), Motion()
    policy = Policy.load(default_policy(robot))
    border = LockstepRobot(simulated)
    name = find_name("auto", policy.contract, simulated.description)
    schedule = Schedule(policy.contract.commands, seconds)
    with closing(find_fusion(name, policy.contract, simulated.description)) as fusion:
        loop = ControlLoop(policy, border, fusion)
        period = policy.contract.control_period
        for tick in range(round(seconds / period)):
            moment, signals = tick * period, simulated.signals
            place, attitude = (signals[f"true_{of}"][0].copy() for of in ("position", "attitude"))
            motion.add(moment, place, attitude, float(signals["true_velocity"][0, 0]))
            if schedule.count:
                loop.command.put(schedule.at(moment))
            loop.tick()
    return judge(robot, motion, schedule)


def over_ros(robot: str, seconds: float) -> DriveResult:
    """Runs them as nodes, as users start them."""
    motion = Motion()
    contract = Policy.load(default_policy(robot)).contract
    schedule = Schedule(contract.commands, seconds)
    period = round(contract.control_period * 1e9)
    with _empty(period) as empty_missed, up(robot, motion) as listener:
        begun = time.time()  # the stamps are of this clock
        if schedule.count:
            listener.drive(lambda: _twist(contract.commands, schedule.at(time.time() - begun)))
        before, empty_before = missed(listener), empty_missed()
        time.sleep(begun + seconds - time.time())
        own, empty = missed(listener) - before, empty_missed() - empty_before
    motion.time = [moment - begun for moment in motion.time]
    driven = judge(robot, motion, schedule)
    whole = min(driven.seconds, seconds)  # motion while the figures were computed does not count
    return replace(driven, seconds=whole, missed=own, missed_empty=empty)


@contextmanager
def up(robot: str, motion: Motion) -> Iterator[Listener]:
    """Runs a graph that drives, and a listener to it."""
    command = [sys.executable, "-m", "sim2edge", "up", robot, "--no-respawn"]
    with Listener() as listener:
        listener.subscribe(Odometry, TRUTH, lambda message: _take(message, motion))
        with running(command) as graph:
            graph.until_said("]: active")
            yield listener
            _check(graph)


def _check(graph: Running) -> None:
    if graph.process.poll() is not None:
        raise RuntimeError("the graph ended:\n" + "\n".join(graph.lines))


def missed(listener: Listener) -> int:
    """Returns the deadlines missed since the control loop began."""
    return int(listener.diagnostics("control loop")["missed"])


@contextmanager
def _empty(period: int) -> Iterator[Callable[[], int]]:
    """Runs a loop without work beside; gives its number of missed deadlines so far."""
    stop, count = _SPAWN.Event(), _SPAWN.Value("i", 0)
    process = _SPAWN.Process(target=empty_loop, args=(stop, period, count), daemon=True)
    process.start()
    time.sleep(_SETTLING)
    try:
        yield lambda: int(count.value)
    finally:
        stop.set()
        process.join()


def _twist(commands: tuple[Command, ...], values: Array) -> tuple[float, float, float]:
    named = dict(zip((c.name for c in commands), values.tolist()))
    return named.get("forward", 0.0), named.get("lateral", 0.0), named.get("yaw_rate", 0.0)


def _take(message: Odometry, motion: Motion) -> None:
    stamp, pose = message.header.stamp, message.pose.pose
    at, to = pose.position, pose.orientation
    place = np.array((at.x, at.y, at.z))
    attitude = np.array((to.w, to.x, to.y, to.z))
    moment = stamp.sec + stamp.nanosec * 1e-9
    motion.add(moment, place, attitude, message.twist.twist.linear.x)


def judge(robot: str, motion: Motion, schedule: Schedule) -> DriveResult:
    """Judges a robot's motion."""
    moments, place = np.array(motion.time), np.array(motion.place)
    attitude, forward = np.array(motion.attitude), np.array(motion.forward)
    travelled = float(np.linalg.norm(np.diff(place[:, :2], axis=0), axis=1).sum())
    if robot == "humanoid":
        failed = place[:, 2] < _FALLEN
        error = speed_error(moments, forward, schedule)
    else:
        failed = _clearance(place, attitude) < 0.0
        error = math.nan
    good = float(moments[int(failed.argmax())] if failed.any() else moments[-1])
    return DriveResult(good, error, travelled)


def speed_error(moments: Float, forward: Float, schedule: Schedule) -> float:
    """Returns the RMS error of the mean speed over a stride, where the command has settled, m/s."""
    count = max(1, round(_STRIDE / float(np.median(np.diff(moments)))))
    mean = np.convolve(forward, np.full(count, 1.0 / count), mode="valid")
    ends = moments[count - 1 :]
    settled = ends % _HOLDS > _SETTLING
    asked = np.array([schedule.at(moment)[0] for moment in ends])
    return float(np.sqrt(np.mean((mean - asked)[settled] ** 2)))


def _clearance(place: Float, attitude: Float) -> Float:
    """Returns the distance from the car's outline to the nearer wall of its track, (n,) m."""
    task = cast(DrivingTask, world("vehicle").env.task)
    locator, row = Locator(task.tracks, 1, OUTLINE), np.zeros(1, np.int64)
    locator.place(row, task.locator.track, task.locator.position.index)
    x, y, _z = robot_file.load("vehicle").imu_in_base
    found = []
    for (at_x, at_y, _at_z), heading in zip(place, yaw(attitude)):
        cosine, sine = math.cos(heading), math.sin(heading)
        pose = (at_x - cosine * x + sine * y, at_y - sine * x - cosine * y, heading)
        locator.update(row, np.array([pose]))
        found.append(float(locator.position.clearance[0]))
    return np.array(found)
