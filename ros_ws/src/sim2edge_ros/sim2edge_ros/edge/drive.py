"""Drives a robot behind ROS topics with a policy, from configuration to clean-up."""

import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from rclpy.node import Node

from edge_runtime.audit.watch import starting, watching
from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion, find_name
from edge_runtime.fusion.estimate import Estimate
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand
from edge_runtime.signals import ATTITUDE, JOINT_POS, Array
from edge_runtime.slots.records import no_note
from sim2edge_ros.commands.actuation import CommandPublisher
from sim2edge_ros.commands.cmd_vel import CmdVel
from sim2edge_ros.commands.commanders import Claim, CommandedError, OtherCommanders
from sim2edge_ros.edge.learning import NodeLearning
from sim2edge_ros.edge.loop_config import loop_config
from sim2edge_ros.edge.odometry import OdometryPublisher
from sim2edge_ros.edge.policies import policies_of
from sim2edge_ros.messages.publisher_thread import PublisherThread
from sim2edge_ros.pacing.real_time_pace import RealTimePace
from sim2edge_ros.pacing.sampled_pace import SampledPace
from sim2edge_ros.sensors.readiness import wait_for_sensors
from sim2edge_ros.sensors.ros_robot import RosRobot, RosRobotConfig
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.distro import find_distro
from sim2edge_ros.settings.frames import frames
from sim2edge_ros.settings.parameters import EdgeParameters

_MATCHING = 1.0  # s for the robot to discover this node's commands
_NEW = 5.0  # s for which an active node gives way to another that commands the robot already
_POLL = 0.005  # s


class Drive:
    """Loads and checks everything, and commands nothing before `start`.

    The thread of the node's states calls `start`, `stop` and `close`; the one that spins `node`
    calls `watch` and `look_around`; a third changes policies. None waits long for another.

    Args:
        node: subscribes and publishes; its executor spins in a thread of its own.
        parameters: the edge node's parameters.

    Raises:
        UserError: policy, robot file, estimator or a parameter does not fit.
    """

    def __init__(self, node: Node, parameters: EdgeParameters) -> None:
        self._node, self.parameters = node, parameters
        self.simulated_time = bool(node.get_parameter("use_sim_time").value)
        self._changing = threading.RLock()  # guards publishers, policies and `active`
        robot = robot_file.load(parameters.robot)
        described = robot.description
        self.robot_file = robot
        with ExitStack() as stack:
            self.policies = stack.enter_context(policies_of(parameters, self._changing))
            policy = self.policies.first
            contract = policy.contract
            self.fusion_name = find_name(parameters.fusion, contract, described)
            self.fusion = find_fusion(self.fusion_name, contract, described)
            stack.enter_context(closing(self.fusion))
            readers = (contract.signals, self.fusion.reads)
            used = frozenset(s.name for signals in readers for s in signals)
            self.robot = RosRobot(
                node,
                robot,
                used | {JOINT_POS} | ({ATTITUDE} if self.fusion_name == "robot" else set()),
                RosRobotConfig(
                    contract.control_period,
                    parameters.sensor_timeout,
                    parameters.scan_timeout,
                    contract.actuators,
                ),
                self._send,
            )
            stack.enter_context(closing(self.robot))
            config = loop_config(parameters, contract, simulated_time=self.simulated_time)
            clock = self._now if self.simulated_time else time.monotonic_ns
            # A policy that does not fit is refused here, before anything moves.
            self.session = Session(policy, self.robot, self.fusion, config, clock)
            log = Path(parameters.audit).expanduser() if parameters.audit else None
            self._audit = stack.enter_context(watching(log))
            note = no_note if self._audit is None else self._audit.note
            self.policies.join(self.session, note)
            self.learning = NodeLearning(parameters, self.policies, self._changing, note)
            if self._audit is not None:
                self.loop.add_observer(self._audit)
            self.cmd_vel = CmdVel(
                node,
                contract.commands,
                parameters.cmd_vel_type,
                "twist_stamped" if find_distro().stamped_cmd_vel else "twist",
                parameters.cmd_vel_timeout,
                self._set_command,
            )
            stack.enter_context(closing(self.cmd_vel))
            self._resources = stack.pop_all()
        self._closed = False
        self._commands: CommandPublisher | None = None
        self._odometry: OdometryPublisher | None = None
        self._publisher_thread: PublisherThread | None = None
        self._claim: Claim | None = None  # while this node commands the robot
        self._began = 0.0  # monotonic time of the start, s
        self._silent = False  # whether commands are withheld, because another node sends some
        self.active = False
        self._others = OtherCommanders(node)

    @property
    def loop(self) -> ControlLoop:
        """Returns the loop of this activation, or of the last one."""
        return self.session.loop

    @property
    def policy(self) -> Policy:
        """Returns the policy that drives, or will from the next start on."""
        return self.session.policy

    def start(self) -> None:
        """Commands the robot from its next sample on.

        Raises:
            CommandedError: another node commands the robot already.
            UserError: a sensor is missing, or no new sample arrives.
        """
        self._refuse_others()
        wait_for_sensors(self.robot, self.policy.contract.max_tilt)
        if self._audit is not None:
            self.policies.record(self._audit)
        with starting(self._audit, self.policy, self.parameters.robot):
            self._start()

    def watch(self) -> None:
        """Checks the command's timeout and, after the start, other nodes; call it at 10 Hz."""
        with self._changing:
            if self._closed:
                return
            self.cmd_vel.check_timeout()
            self.robot.look_around()
            if 0 < self.active_for < _NEW:
                self._find_others()

    def look_around(self) -> None:
        """Follows the nodes that publish, listen and command; call it at 1 Hz."""
        with self._changing:
            if self._closed:
                return
            self.cmd_vel.follow_publishers()
            self._find_others()
            if self._commands is not None:
                self._commands.look_for_listeners()

    @property
    def others(self) -> list[str]:
        """Returns the names of other nodes that command the robot."""
        return self._others.names

    @property
    def must_give_way(self) -> bool:
        """Returns whether this node is new, and another commanded the robot before it."""
        return 0 < self.active_for < _NEW and self._others.go_first

    @property
    def is_unheard(self) -> bool:
        """Returns whether commands are sent, and nobody receives them."""
        with self._changing:
            commands = self._commands
            waits = commands is not None and self.active_for > _MATCHING
            return waits and commands is not None and not commands.has_listeners

    @property
    def active_for(self) -> float:
        """Returns the time since the start, s; 0 if the drive is not active."""
        return time.monotonic() - self._began if self.active else 0.0

    def fall_silent(self) -> None:
        """Sends no further command, because another node commands the robot; call `stop` then."""
        with self._changing:
            self._silent = True
            time.sleep(_POLL)  # until the publisher's thread has sent what it has
            if self._commands is not None:
                self._commands.close()

    def stop(self) -> BaseException | None:
        """Brings the robot to rest by its policy and a controlled stop, and ends the loop.

        Returns:
            The error that ended the loop or a thread of messages; None without one.
        """
        self.cmd_vel.enabled = False
        self.learning.end()  # its thread may wait for what is guarded below
        with self._changing, suppress(UserError):  # a loop that does not tick ends below
            self.policies.rest()
        if not self._silent:
            self.session.come_to_rest()
        error: BaseException | None = None
        try:
            self.session.end()
        except BaseException as failure:
            error = failure
        error = error or self._thread_error()
        self.policies.end()
        if self._audit is not None:
            self.policies.record(self._audit)
            self._audit.end(self.loop)
        with self._changing:
            if self._odometry is not None:
                self.loop.remove_observer(self._odometry)
            if self._publisher_thread is not None:
                self._publisher_thread.wake()
                self._publisher_thread.close()
            for publisher in (self._commands, self._odometry):
                if publisher is not None:
                    publisher.close()
            self._commands = self._odometry = self._publisher_thread = None
            self._release()
            self.active = False
        return error

    def close(self) -> None:
        """Closes topics and estimator; call `stop` first."""
        with self._changing:
            self._closed = True
            self._release()
            self._resources.close()

    def last_estimate(self) -> Estimate | None:
        """Returns the estimator's last state, None without one; any thread may call this."""
        return None if self._odometry is None else self._odometry.estimate

    def record(self, event: str, **details: str) -> None:
        """Adds a record to the audit log, if there is one, and waits until it is on the disk."""
        audit = self._audit
        if audit is not None:
            audit.note(event, details)
            audit.flush()

    @property
    def audit_failure(self) -> str:
        """Returns why the audit log is not written on; empty while it is, or without one."""
        return "" if self._audit is None else self._audit.failure

    @property
    def failed(self) -> bool:
        """Returns whether the loop, or a thread of its messages, ended by itself."""
        return self.active and (not self.loop.running or self._thread_error() is not None)

    def _start(self) -> None:
        with self._changing:
            self._refuse_others()  # who was discovered with the sensors
            self._claim = Claim(self._node)
            commands, odometry = self._make_publishers()
        self._wait_for_the_robot(commands)
        with self._changing:
            self.session.renew()
            self.policies.active = True
            self.loop.add_observer(odometry)
            self.learning.begin(self.session)
            self.cmd_vel.enabled = self.active = True
            self._silent, self._began = False, time.monotonic()
            if self.simulated_time:
                self.session.start(SampledPace(self.loop, self.robot.woken, self._now))
            else:
                self.session.start(RealTimePace(self.loop, self.robot))

    def _make_publishers(self) -> tuple[CommandPublisher, OdometryPublisher]:
        contract, names = self.policy.contract, frames(self._node.get_namespace(), self.parameters)
        self._commands = CommandPublisher(
            self._node,
            self.loop.controller.actuators,
            contract.control_period,
            self.robot_file.description.wheeled,
            names.base,
        )
        rate = self.parameters.odometry_rate
        self._odometry = OdometryPublisher(
            self._node,
            names.odom,
            names.base,
            self.robot_file.imu_in_base,
            max(1, round(1.0 / (contract.control_period * rate))) if rate > 0 else 0,
            self.parameters.publish_tf,
            lambda: self.robot.shift,
        )
        self._publisher_thread = PublisherThread((self._commands.send, self._odometry.send))
        return self._commands, self._odometry

    def _thread_error(self) -> Exception | None:
        """Returns the error that ended the thread of subscriptions or of publishers."""
        return self.robot.error or (
            None if self._publisher_thread is None else self._publisher_thread.error
        )

    def _find_others(self) -> None:
        self._others.find(self._commands.ids if self._commands else {})

    def _refuse_others(self) -> None:
        """Raises a CommandedError with the names of the nodes that command the robot."""
        self._find_others()
        if self.others:
            raise CommandedError(f"{', '.join(self.others)} commands this robot already")

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.close()
        self._claim = None

    def _wait_for_the_robot(self, commands: CommandPublisher) -> None:
        """Waits until the robot receives commands, so that the first are not lost, for a second."""
        until = time.monotonic() + _MATCHING
        while not commands.has_listeners and time.monotonic() < until:
            time.sleep(_POLL)

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _set_command(self, command: Array) -> None:
        self.loop.command.put(command)

    def _send(self, command: ActuatorCommand) -> None:
        if self._commands is not None and self._publisher_thread is not None and not self._silent:
            self._commands.put(command)
            self._publisher_thread.wake()
