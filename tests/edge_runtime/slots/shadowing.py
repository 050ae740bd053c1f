"""Provides a loop with a policy in shadow."""

import time
from collections.abc import Callable

import numpy as np
import onnx

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand, Sample
from edge_runtime.slots.comparison import Comparison
from edge_runtime.slots.policy_slots import PolicySlots
from tests.edge_runtime.leg import BURST, JOINTS, LegRobot, ManualClock, make_contract, make_model

EVERY = 0.005

COMMAND = (0.5, 0.1, -0.2)


class Swinging(LegRobot):
    """A robot whose joints swing."""

    def read(self) -> Sample | None:
        sample = super().read()
        for index, name in enumerate(self.description.joint_names):
            turn = 0.3 * self.sequence + JOINTS.index(name)
            self.values["joint_pos"][0, index] = np.sin(turn)
            self.values["joint_vel"][0, index] = 3 * np.cos(turn)
        return sample


class Endless(LegRobot):
    """A robot that remembers no command."""

    def write(self, command: ActuatorCommand) -> None:
        pass


def make_session(robot: LegRobot, seed: int = 0) -> Session:
    contract = make_contract()
    fusion = AttitudeFusion(contract.control_period, BURST)
    policy = Policy(make_model(contract, seed))
    session = Session(policy, robot, fusion, LoopConfig(stop_seconds=0.1), ManualClock())
    session.loop.command.put(np.array(COMMAND, np.float32))
    return session


def ticked(loop: ControlLoop, count: int) -> None:
    for _ in range(count):
        loop.tick()


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def seen(slots: PolicySlots, ticks: int) -> Comparison:
    """The comparison after so many ticks, which the thread may need a moment for."""

    def comparison() -> Comparison:
        found = slots.comparison()
        assert found is not None
        return found

    wait_for(lambda: comparison().ticks + comparison().not_finite >= ticks)
    return comparison()


Shadowed = tuple[ControlLoop, LegRobot, PolicySlots]


def spiteful() -> Policy:
    """A policy that passes its check, and answers NaN to a robot that stands upright."""
    contract = make_contract()
    proto = onnx.load_from_string(make_model(contract))
    golden = np.array(Policy(make_model(contract)).contract.golden_observations)
    seen = [*range(3, 6), *range(18, 21)]  # gravity and command: what is up, and what is asked
    # What is 0 for each golden vector, and 1 for this robot.
    rows = np.vstack([golden[:, seen], [0, 0, -1, *COMMAND]])
    sight = np.zeros((contract.observation_size, 1), np.float32)
    sight[seen, 0] = np.linalg.lstsq(rows, np.array([0, 0, 0, 0, 1.0]), rcond=None)[0]
    graph, make = proto.graph, onnx.helper.make_node
    for name, value in (("sight", sight), ("half", np.float32(0.5)), ("none", np.float32(0))):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    graph.node[0].output[0] = "sound"
    graph.node.extend(
        [
            make("MatMul", ["obs", "sight"], ["one"]),
            make("Sub", ["half", "one"], ["negative"]),
            make("Log", ["negative"], ["nan"]),
            make("Mul", ["nan", "none"], ["spite"]),
            make("Add", ["sound", "spite"], ["actions"]),
        ]
    )
    return Policy(proto.SerializeToString(), "spiteful.onnx")
