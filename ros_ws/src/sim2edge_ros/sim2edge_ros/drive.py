"""A policy on a robot behind ROS topics: what an edge node has from configuration to clean-up."""

import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from rclpy.node import Node

from edge_runtime.errors import UserError
from edge_runtime.fusion.choice import find_fusion, find_name
from edge_runtime.fusion.estimate import Estimate
from edge_runtime.inference import Policy
from edge_runtime.loop import ControlLoop, LoopConfig
from edge_runtime.realtime import RealtimeConfig
from edge_runtime.robot import ActuatorCommand
from edge_runtime.signal import ATTITUDE, JOINT_POS, Array
from sim2edge_ros import robot_file, topics
from sim2edge_ros.actuation import CommandPublisher
from sim2edge_ros.cmd_vel import CmdVel
from sim2edge_ros.distro import find_distro
from sim2edge_ros.odometry import OdometryPublisher
from sim2edge_ros.outlet import Outlet
from sim2edge_ros.paced_loop import SamplePacedLoop
from sim2edge_ros.parameters import EdgeParameters
from sim2edge_ros.ros_robot import RosRobot, RosRobotConfig
from sim2edge_ros.sampled_loop import SampledLoop

_SLOWING, _STANDING = 1.0, 1.0  # s under the policy before the controlled stop
_PATIENCE = 3.0  # s for a controlled stop, over its length, and for a policy to be taken over
_LOOK = 0.002  # s between two looks at which policy drives
_COMMANDED = (topics.POSITION, topics.VELOCITY, topics.TRAJECTORY, topics.ACKERMANN)


class Drive:
    """Loads and checks everything; nothing is commanded before `start`.

    Args:
        node: on which to subscribe and publish; its executor spins in a thread of its own.
        parameters: of the edge node.

    Raises:
        UserError: policy, robot file, estimator or a parameter does not fit.
    """

    def __init__(self, node: Node, parameters: EdgeParameters) -> None:
        self._node, self.parameters = node, parameters
        self._simulated_time = bool(node.get_parameter("use_sim_time").value)
        if not parameters.policy:
            raise UserError("parameter 'policy' is empty; name a policy file (.onnx)")
        self.policy = Policy.load(Path(parameters.policy))
        self._previous: Policy | None = None  # that drove before
        contract = self.policy.contract
        robot = robot_file.load(parameters.robot)
        described = robot.description
        self.fusion_name = find_name(parameters.fusion, contract, described)
        self.robot_file = robot
        with ExitStack() as stack:
            self.fusion = find_fusion(self.fusion_name, contract, described)
            stack.enter_context(closing(self.fusion))
            readers = (contract.signals, self.fusion.reads)
            used = frozenset(s.name for signals in readers for s in signals)
            self.robot = RosRobot(
                node,
                robot,
                used | {JOINT_POS} | ({ATTITUDE} if self.fusion_name == "robot" else set()),
                RosRobotConfig(
                    contract.control_period, parameters.sensor_timeout, parameters.scan_timeout
                ),
                self._send,
            )
            stack.enter_context(closing(self.robot))
            self._loop_config = LoopConfig(
                realtime=RealtimeConfig(
                    fifo=parameters.fifo,
                    cpu=parameters.cpu,
                    lock_memory=parameters.lock_memory,
                ),
                stop_seconds=parameters.stop_seconds,
                phase=parameters.phase,
            )
            self.loop = self._make_loop()  # refuses what does not fit before anything moves
            self.cmd_vel = CmdVel(
                node,
                contract.commands,
                parameters.cmd_vel_type,
                "twist_stamped" if find_distro().stamped_cmd_vel else "twist",
                parameters.cmd_vel_timeout,
                self._ask,
            )
            stack.enter_context(closing(self.cmd_vel))
            self._resources = stack.pop_all()
        self._commands: CommandPublisher | None = None
        self._odometry: OdometryPublisher | None = None
        self._outlet: Outlet | None = None
        self.active = False
        self._runner: ControlLoop | SampledLoop = self.loop

    def start(self) -> None:
        """Command the robot from its next sample on.

        Raises:
            UserError: sensors are missing, or somebody else commands it.
        """
        trouble = self.robot.trouble()
        if not self.robot.ready:
            raise UserError("; ".join(trouble) or "the robot has given no whole sample yet")
        contract = self.policy.contract
        self.loop = self._make_loop()
        self._commands = CommandPublisher(
            self._node,
            self.loop.controller.actuators,
            contract.control_period,
            self.robot_file.description.wheeled,
            self.parameters.base_frame,
        )
        rate = self.parameters.odometry_rate
        every = max(1, round(1.0 / (contract.control_period * rate))) if rate > 0 else 0
        self._odometry = OdometryPublisher(
            self._node,
            self.parameters.odom_frame,
            self.parameters.base_frame,
            self.robot_file.imu_in_base,
            every,
            self.parameters.publish_tf,
        )
        self._outlet = Outlet((self._commands.send, self._odometry.send))
        self.loop.recorder = self._odometry
        self.fusion.reset()
        self.cmd_vel.enabled = self.active = True
        self._runner = self.loop
        if self._simulated_time:
            self._runner = SampledLoop(self.loop, self.robot.woken, self._now)
        self._runner.start()

    def watch(self) -> None:
        """Some ten times a second: what is slower than the loop."""
        self.cmd_vel.check_timeout()

    def look_around(self) -> None:
        """Once a second: who listens, and who commands."""
        self.cmd_vel.follow_publishers()
        if self._commands is not None:
            self._commands.look_for_listeners()

    def stop(self) -> BaseException | None:
        """Come to rest by the policy, then by a controlled stop; what ended the loop, if not this.

        The policy gets two seconds for it: who walks cannot go straight to a pose.
        """
        loop = self.loop
        self._stand_still(loop)
        loop.stop()
        error: BaseException | None = None
        try:
            if not self._runner.join(loop.config.stop_seconds + _PATIENCE):
                error = UserError("the control loop did not stop in time")
        except BaseException as failure:
            error = failure
        if self._outlet is not None:
            self._outlet.wake()
            self._outlet.close()
        for publisher in (self._commands, self._odometry):
            if publisher is not None:
                publisher.close()
        self._commands = self._odometry = self._outlet = None
        self.active = False
        return error

    def close(self) -> None:
        """Let go of topics and estimator; stop first."""
        self._resources.close()

    def last_estimate(self) -> Estimate | None:
        """What the estimator knew last, if it tells; from any thread."""
        return None if self._odometry is None else self._odometry.estimate

    def load(self, path: Path) -> None:
        """Let another policy file drive, from the next tick on if one drives.

        Raises:
            UserError: it fails its check or does not fit; the one before goes on.
        """
        self._use(Policy.load(path))

    def roll_back(self) -> None:
        """Let the policy drive that did before the last `load`.

        Raises:
            UserError: there is none.
        """
        if self._previous is None:
            raise UserError("no other policy was loaded, so there is none to go back to")
        self._use(self._previous)

    def _use(self, policy: Policy) -> None:
        before = self.policy
        if self.active:
            self.loop.swap(policy)
            self._wait_for(policy)
            self.policy = policy
        else:
            self.policy = policy
            try:
                self.loop = self._make_loop()
            except UserError:
                self.policy = before
                raise
        self._previous = before

    @property
    def failed(self) -> bool:
        """Whether the loop ended though nobody asked."""
        return self.active and not self._runner.running

    def _wait_for(self, policy: Policy) -> None:
        """Until it drives; a loop that is ticked by samples does not wait in its `swap`."""
        until = time.monotonic() + _PATIENCE
        while self.loop.controller.policy is not policy:
            if time.monotonic() > until:
                raise UserError(f"{policy.source}: the loop does not tick, so it may come later")
            time.sleep(_LOOK)

    def _make_loop(self) -> ControlLoop:
        parts = (self.policy, self.robot, self.fusion, self._loop_config)
        if self._simulated_time:
            return ControlLoop(*parts, self._now)
        return SamplePacedLoop(*parts)

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _ask(self, command: Array) -> None:
        self.loop.command.put(command)

    def _send(self, command: ActuatorCommand) -> None:
        if self._commands is not None and self._outlet is not None:
            self._commands.put(command)
            self._outlet.wake()

    def _stand_still(self, loop: ControlLoop) -> None:
        self.cmd_vel.enabled = False
        if not (self._runner.running and loop.ticks and loop.controller.contract.commands):
            return
        if loop.reaction:
            return
        command = loop.command.get()
        for share in (0.75, 0.5, 0.25, 0.0):
            loop.command.put(np.float32(share) * command)
            time.sleep(_SLOWING / 4)
        time.sleep(_STANDING)


def commanders(node: Node) -> list[str]:
    """Who publishes commands to this robot: `/node (topic)`."""
    found = set()
    for name in _COMMANDED:
        for info in node.get_publishers_info_by_topic(node.resolve_topic_name(name)):
            found.add(f"{info.node_namespace.rstrip('/')}/{info.node_name} ({name})")
    return sorted(found)
