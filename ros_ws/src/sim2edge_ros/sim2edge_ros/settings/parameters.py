"""Describes the nodes' parameters: default, description and range; `declaring` declares them.

This module needs no ROS.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_runtime.config.fields import same_as, setting
from edge_runtime.errors import UserError
from edge_runtime.loop.budget import BudgetConfig
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.heading_hold import HeadingHoldConfig
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.slots.canary import CanaryConfig
from edge_runtime.slots.envelope import EnvelopeConfig
from edge_runtime.slots.probation import ProbationConfig
from edge_runtime.slots.slot_folder import SlotsConfig
from sim2edge_ros.settings.robot_file import shipped

_POLICY = "a policy file (.onnx) for this robot, or empty"
_ROBOTS = ", ".join(shipped())


@dataclass(frozen=True)
class ModelParameters:
    """Declares the parameters of `model_node`, which the other nodes of a robot have too."""

    robot: str = setting(
        "humanoid",
        allowed=f"{_ROBOTS}, the name of a robot of another package, or the path of an existing "
        "robot file",
    )
    """The robot: one of the product, one that another package brings and `sim2edge up` has
    simulated, or the path of a robot file (.json)."""
    base_frame: str = ""
    """The frame of the robot's base; empty: 'base_link', behind the namespace ('h1/base_link')."""
    odom_frame: str = ""
    """The frame in which odometry is given (REP-105); empty: 'odom', behind the namespace."""


@dataclass(frozen=True)
class RobotParameters(ModelParameters):
    """Declares the parameters of the nodes that exchange samples and commands."""

    fifo: int = same_as(RealtimeConfig, "fifo")


@dataclass(frozen=True)
class EdgeParameters(RobotParameters):
    """Declares the parameters of `edge_node`."""

    policy: str = setting("", allowed=f"{_POLICY}, or a folder of policies")
    """The policy file (.onnx), the name of one that comes with the product, or a folder of
    'sim2edge slots'; empty: the one for this robot."""
    pending_policy: Literal["drives", "waits"] = "drives"
    """What the pending policy of a folder does: it 'drives' from the start on, or 'waits' for the
    service `~/canary` while the good one drives."""
    slots_boots: int = same_as(SlotsConfig, "boots")
    slots_confirm_after: float = same_as(SlotsConfig, "confirm_after")
    candidate: str = setting("", allowed=_POLICY)
    """The policy file that the services `~/load`, `~/shadow` and `~/canary` take."""
    canary_slice_seconds: float = same_as(CanaryConfig, "slice_seconds")
    canary_slices: int = same_as(CanaryConfig, "slices")
    canary_misses: int = same_as(CanaryConfig, "misses")
    canary_tilt_share: float = same_as(EnvelopeConfig, "tilt_share")
    canary_lean: float = same_as(EnvelopeConfig, "lean")
    canary_action: float = same_as(EnvelopeConfig, "action")
    probation_seconds: float = same_as(ProbationConfig, "seconds")
    learn: Literal["off", "trim", "adapter", "both"] = "off"
    """What the robot learns while the node is active, until `~/learn/stop`: 'trim' a few numbers of
    its policy's contract, 'adapter' low-rank matrices beside its network, or 'both'."""
    learn_kit: str = setting("", allowed="a learner kit (.kit) of the policy, or empty")
    """The policy's learner kit; empty: the file beside the policy."""
    learn_folder: str = setting("", allowed="a folder, or empty")
    """The folder in which the learner works; empty: ~/.cache/sim2edge/learning."""
    learn_store: str = setting("", allowed="a folder, or empty")
    """The folder of the encrypted store that keeps the robot's experience; empty: none."""
    learn_store_key: str = setting("", allowed="a key's file, or empty")
    """The file of that store's key, which 'sim2edge experience new' makes."""
    fusion: str = setting("auto", allowed="auto, robot, vqf, legged, wheeled, or wheeled+lidar")
    """The estimator, as in `sim2edge run --fusion`."""
    provider: str = setting("cpu", allowed="cpu, cuda, tensorrt, or auto")
    """What computes the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest of those that
    are here, measured when a policy is loaded. If it fails, the CPU does."""
    provider_cache: str = ""
    """The folder for what a provider compiles; empty: ~/.cache/sim2edge/engines."""
    audit: str = ""
    """The folder of the audit log that records what drives the robot; 'sim2edge audit new' begins
    one; empty: none."""
    autostart: bool = False
    """Whether the node configures and activates itself, repeatedly until the robot is there."""
    cmd_vel_timeout: float = setting(0.5, unit="s", at_least=0.05, at_most=60.0)
    """Time without `cmd_vel` after which zero velocity is asked for."""
    cmd_vel_type: Literal["auto", "twist", "twist_stamped"] = "auto"
    """The type of `cmd_vel`: 'twist', 'twist_stamped', or 'auto' for the one that is published."""
    sensor_timeout: float = setting(0.0, unit="s", at_least=0.0, at_most=10.0)
    """How far a paced sensor may lag behind the IMU before samples are held back; 0: 2.5 control
    periods."""
    scan_timeout: float = setting(0.25, unit="s", at_least=0.01, at_most=10.0)
    """How far `scan` may lag behind the IMU before samples are held back."""
    phase: float = same_as(
        LoopConfig,
        "phase",
        0.25,
        sentence="How late a sample may be before the tick goes on without it, as a share of the "
        "control period.",
    )
    heading_gain: float = same_as(HeadingHoldConfig, "gain", 2.0)
    sense_share: float = same_as(BudgetConfig, "sense")
    fuse_share: float = same_as(BudgetConfig, "fuse")
    infer_share: float = same_as(BudgetConfig, "infer")
    guard_share: float = same_as(BudgetConfig, "guard")
    act_share: float = same_as(BudgetConfig, "act")
    stop_seconds: float = same_as(LoopConfig, "stop_seconds")
    odometry_rate: float = setting(50.0, unit="Hz", at_least=0.0, at_most=1000.0)
    """The rate of `odometry/filtered` and its TF, at most the control rate; 0: none."""
    publish_tf: bool = True
    """Whether to send odom to base_link on /tf."""
    cpu: int = same_as(RealtimeConfig, "cpu", allowed="a CPU that is there")
    lock_memory: bool = same_as(RealtimeConfig, "lock_memory")


@dataclass(frozen=True)
class SimParameters(RobotParameters):
    """Declares the parameters of `sim_node`."""

    robot: str = setting(
        "humanoid", allowed=f"{_ROBOTS}, or the name of a robot of another package"
    )
    """The robot: one of the product, or one that another package brings."""
    seed: int = setting(0, "The seed of the simulated world.", at_least=0, at_most=2**31 - 1)
    randomize: bool = False
    """Whether to draw the robot by domain randomization, and to push it."""
    speed: float = setting(1.0, at_least=0.0, at_most=100.0, allowed="1 without clock")
    """Simulated seconds per second; 0: in lockstep, as fast as commands come. Other values than 1
    need `clock`, and nodes with use_sim_time."""
    clock: bool = False
    """Whether to publish /clock and to stamp messages with simulated time."""
    interface: Literal["forward", "trajectory", "twist"] = setting(
        "forward", allowed="trajectory where each joint takes positions, twist for a car"
    )
    """The commands that the robot takes: 'forward' (forward_*_controller), 'trajectory'
    (joint_trajectory_controller) or 'twist' (ackermann_steering_controller)."""
    model: bool = setting(True, "Whether to publish robot_description, /tf_static and /tf of it.")
    datum: str = setting("48.0 11.0 500.0", allowed="three numbers with spaces between")
    """The latitude and longitude (degrees) and height (m) of the world's origin."""


@dataclass(frozen=True)
class BagConfig:
    """Says where bags are kept and how large they may become.

    Raises:
        UserError: the sizes contradict each other.
    """

    folder: str | Path = setting("bags", "The folder of the bags.")
    total_mb: float = setting(
        2000.0, unit="MB", at_least=1.0, at_most=1e7, allowed="twice file_mb at least"
    )
    """The size that all bags of this recorder in the folder may take; the oldest files are
    removed."""
    file_mb: float = setting(100.0, unit="MB", at_least=0.1, at_most=1e6)
    """The size of a file; so much and a quarter must be free."""

    def __post_init__(self) -> None:
        if not 2 * self.file_mb <= self.total_mb:
            raise UserError(
                f"bags of {self.total_mb:g} MB in files of {self.file_mb:g} MB make no sense; "
                "allow for two files at least"
            )


@dataclass(frozen=True)
class RecorderParameters(BagConfig):
    """Declares the parameters of `recorder`."""

    topics: str = setting("", allowed="a Python regular expression, or empty")
    """The recorded topics, as a regular expression for their whole names; empty: all of the node's
    namespace, and /tf, /tf_static, /clock, /diagnostics and /rosout."""
    discovery_seconds: float = setting(0.5, unit="s", at_least=0.05, at_most=60.0)
    """The time between two looks for new topics."""
    nice: int = setting(5, at_least=0, at_most=19)
    """The nice value of this process, by which it gives way to others."""


NODES: dict[str, type[Any]] = {
    "edge_node": EdgeParameters,
    "sim_node": SimParameters,
    "recorder": RecorderParameters,
    "model_node": ModelParameters,
}
_OF_ALL = ("use_sim_time",)


def names(node: str) -> tuple[str, ...]:
    """Returns the parameters that a node of this package takes."""
    return (*(field.name for field in dataclasses.fields(NODES[node])), *_OF_ALL)
