"""A small robot and small policies for it."""

import dataclasses
import time
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.observation.builder import TermConfig
from edge_runtime.policy.contract import Actuator, Command, Contract, to_metadata
from edge_runtime.robot.robot import ActuatorCommand, RobotDescription, Sample
from edge_runtime.signals import Signal

JOINTS = ("hip", "knee", "ankle")
STEPPING = {"deadband": 0.05, "lean": 0.1, "rate": 0.7}
BURST = 4
SENSORS = (
    Signal("imu_gyro", 3, "rad/s", "imu"),
    Signal("imu_accel", 3, "m/s^2", "imu"),
    Signal("imu_burst", BURST * 6, "rad/s, m/s^2", "imu"),
    Signal("joint_pos", 3, "rad"),
    Signal("joint_vel", 3, "rad/s"),
)


def make_contract(**changes: Any) -> Contract:
    """A contract for the small robot: 3 joints, 23 observations, 50 Hz."""
    contract = Contract(
        task="Stand",
        robot="leg",
        actuators=tuple(
            Actuator(name, "position", 20.0 + i, 1.0 + i, 0.1 * i, 0.25, -1.0, 1.0)
            for i, name in enumerate(JOINTS)
        ),
        observations=(
            TermConfig("angular_velocity", 0.25),
            TermConfig("projected_gravity"),
            TermConfig("joint_pos_rel", history=2),
            TermConfig("joint_vel", 0.05),
            TermConfig("last_action"),
            TermConfig("command"),
            TermConfig("gait_clock", params={"steps": 36.0, **STEPPING}),
        ),
        signals=(
            SENSORS[0],
            Signal("attitude", 4, "1", "world"),
            *SENSORS[3:],
            Signal("last_action", 3, "1"),
            Signal("command", 3, "m/s, rad/s", "body"),
            Signal("control_step", 1, "1"),
            Signal("default_target", 3, "rad"),
        ),
        commands=(
            Command("forward", "m/s", -1.0, 1.0),
            Command("lateral", "m/s", -0.3, 0.3),
            Command("yaw", "rad/s", -0.6, 0.6),
        ),
        control_period=0.02,
        physics_period=0.005,
        action_clip=5.0,
        estimator_outputs=("attitude",),
    )
    return dataclasses.replace(contract, **changes)


def make_model(
    contract: Contract,
    seed: int = 0,
    *,
    bias: float = 0.0,
    external: str = "",
    golden: int = 4,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A policy file: one random layer, its golden vectors made with numpy."""
    rng = np.random.default_rng(seed)
    size, actions = contract.observation_size, len(contract.actuators)
    weight = (0.3 * rng.standard_normal((size, actions)) / np.sqrt(size)).astype(np.float32)
    offset = np.full(actions, bias, np.float32)
    observations = rng.standard_normal((golden, size)).astype(np.float32)
    contract = dataclasses.replace(
        contract,
        golden_observations=tuple(map(tuple, observations.tolist())),
        golden_actions=tuple(map(tuple, (observations @ weight + offset).tolist())),
    )
    weights = numpy_helper.from_array(weight, "weight")
    if external:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=external)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["obs", "weight", "bias"], ["actions"])],
        "policy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, size])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, actions])],
        [weights, numpy_helper.from_array(offset, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, to_metadata(contract) if metadata is None else metadata)
    content: bytes = model.SerializeToString()
    return content


class LegRobot:
    """A robot in this process: its joints follow their targets, its IMU is noisy.

    Attributes `values` (by signal, to be changed between ticks), `dead` (no new samples),
    `stamp` (of all samples from now on).
    """

    def __init__(self, joint_names: tuple[str, ...] = JOINTS) -> None:
        self.description = RobotDescription("leg", joint_names, SENSORS)
        self._sample = np.zeros(self.description.sample_size, np.float32)
        self.values = self.description.split(self._sample)
        self.sequence = 0
        self.commands: list[ActuatorCommand] = []
        self.dead = False
        self.live_imu = True
        self.stamp: float | None = None
        self._rng = np.random.default_rng(0)
        self.lean(0.0)

    def lean(self, angle: float) -> None:
        """Tilt forward, so that the accelerometer sees it and the gyro agrees, by `angle` rad."""
        self._accel = np.array([9.81 * np.sin(-angle), 0, 9.81 * np.cos(angle)], np.float32)

    def read(self) -> Sample | None:
        if not self.dead:
            self.sequence += 1
            if self.live_imu:
                self._hum()
        stamp = 0.02 * self.sequence if self.stamp is None else self.stamp
        return Sample(self.sequence, stamp, self._sample)

    def write(self, command: ActuatorCommand) -> None:
        self.commands.append(command._replace(target=command.target.copy()))

    def close(self) -> None:
        pass

    def _hum(self) -> None:
        noise = self._rng.normal(0, 1e-3, (BURST, 6)).astype(np.float32)
        noise[:, 3:] += self._accel
        self.values["imu_burst"][:] = noise.reshape(1, -1)
        self.values["imu_gyro"][:] = noise[:, :3].mean(0)
        self.values["imu_accel"][:] = noise[:, 3:].mean(0)


class PacedRobot(LegRobot):
    """A leg whose sensors have a clock of their own: a sample each `period`."""

    period = 0.005  # s

    def __init__(self) -> None:
        super().__init__()
        self._start = time.monotonic()

    def read(self) -> Sample | None:
        due = int((time.monotonic() - self._start) / self.period)
        self.dead, self.sequence = due <= self.sequence, max(self.sequence, due - 1)
        return super().read()


class ManualClock:
    """A monotonic clock that moves only when a test sets it."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now
