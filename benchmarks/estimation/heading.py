"""Measures how well a humanoid keeps the heading and the yaw rate that it is asked for.

Randomized robots without pushes are driven by the control loop on their estimators, with the
heading hold that `sim2edge run` has and, as the peer, with the policy alone.
"""

import math
from dataclasses import replace

import numpy as np
from figures import Figure

from edge_runtime.estimators import AUTO, find_fusion
from edge_runtime.fusion import Fusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.heading_hold import HeadingHoldConfig
from edge_runtime.policy.inference import Policy
from edge_runtime.rotations import yaw
from edge_runtime.run import RunConfig
from edge_runtime.signals import Float
from estimation.gantry import Gantry
from policies.evaluation.policy_file import PolicyFile
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.walking.config import WalkingConfig

SPEED, RATE = 0.5, 0.3  # m/s forward; rad/s
DISTANCE = 10.0  # m
RESTING = 10.0  # s in a gantry
SETTLING, TURNING = 2.0, 10.0  # s, of which the first do not count
ALONE = HeadingHoldConfig()  # the policy


def headings(file: PolicyFile, robots: int) -> list[Figure]:
    """Measures robots on a straight walk, and on turns to either side."""
    seeds = range(1, robots + 1)

    def veered(hold: HeadingHoldConfig) -> float:
        return _largest([veer(file, seed, hold) for seed in seeds])

    def missed(rate: float, hold: HeadingHoldConfig) -> float:
        return _largest([steady_error(file, seed, rate, hold) for seed in seeds])

    held = RunConfig.heading
    figures = [
        Figure(
            f"straight walk of {DISTANCE:g} m, {robots} robots: turned, 95th percentile",
            veered(held),
            "degrees",
            5.0,
            f"{veered(ALONE):.3g} degrees by the policy alone",
            at_least=False,
        )
    ]
    for rate in (RATE, -RATE):
        figures.append(
            Figure(
                f"yaw rate of {rate:+g} rad/s, {robots} robots: steady error, 95th percentile",
                missed(rate, held),
                "%",
                10.0,
                f"{missed(rate, ALONE):.3g} % by the policy alone",
                at_least=False,
            )
        )
    return figures


def veer(file: PolicyFile, seed: int, hold: HeadingHoldConfig) -> float:
    """Returns how far a robot turns on a straight walk, degrees; 180 if it falls."""
    walked = walk(file, seed, 0.0, DISTANCE / SPEED, hold)
    return 180.0 if walked is None else math.degrees(float(walked[-1]))


def steady_error(file: PolicyFile, seed: int, rate: float, hold: HeadingHoldConfig) -> float:
    """Returns the mean error of a robot's yaw rate, in % of what was asked; 100 if it falls."""
    walked = walk(file, seed, rate, SETTLING + TURNING, hold)
    if walked is None:
        return 100.0
    steps = round(TURNING / file.contract.control_period)
    turned = float(walked[-1] - walked[-1 - steps]) / TURNING
    return 100.0 * (turned / rate - 1.0)


def walk(
    file: PolicyFile, seed: int, rate: float, seconds: float, hold: HeadingHoldConfig
) -> Float | None:
    """Returns the true heading after each control period, from the start's, (K,) rad; None if the
    robot fell."""
    assert isinstance(file.task, WalkingConfig)
    task = file.task.unseen(seed)
    task = replace(task, pushes=replace(task.pushes, enabled=False), episode_seconds=2 * seconds)
    robot, policy = SimulatedRobot(task, seed), Policy(file.model)
    fusion = find_fusion(AUTO, policy.contract, robot.description)
    loop = ControlLoop(policy, LockstepRobot(robot), fusion, LoopConfig(rules=(), heading=hold))
    loop.command.put(np.array([SPEED, 0.0, rate], np.float32))
    _rest(robot, fusion)
    attitude = robot.env.engine.sensor("true_attitude")
    walked = [yaw(attitude)[0]]
    for _ in range(round(seconds / task.control_period)):
        loop.tick()
        walked.append(yaw(attitude)[0])
        if robot.env.task.terminated().any():
            return None
    whole: Float = np.unwrap(walked)
    return whole - whole[0]


def _rest(robot: SimulatedRobot, fusion: Fusion) -> None:
    """Holds the robot while its estimator finds the gyroscope's bias, as when it is switched on."""
    gantry = Gantry(robot.env.engine)
    targets = robot.env.action_map.default[None]
    for _ in range(round(RESTING / robot.env.config.control_period)):
        gantry.hold()
        robot.advance(robot.env.actuators.control(targets))
        fusion.update(robot.signals)
    gantry.release()


def _largest(errors: list[float]) -> float:
    """Returns the size below which 95 % of the errors are."""
    return float(np.percentile(np.abs(errors), 95))
