"""Presents a robot behind ROS topics to the control loop."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import TwistWithCovarianceStamped, WrenchStamped
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind
from sensor_msgs.msg import Imu, JointState, LaserScan, NavSatFix

from edge_runtime.loop.handover import LatestValue
from edge_runtime.policy.contract import Actuator
from edge_runtime.robot.robot import ActuatorCommand, RobotDescription, Sample
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.safety.possible import ImuBounds, JointBounds
from edge_runtime.signals import (
    FOOT_FORCE,
    GNSS_POSITION,
    GNSS_VELOCITY,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    IMU_READING,
    LIDAR,
    Array,
    Float,
)
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.publishers import UNNAMED, publishers
from sim2edge_ros.messages.subscriber_thread import SubscriberThread
from sim2edge_ros.messages.wake_up import WakeUp
from sim2edge_ros.sensors.graph import why_silent
from sim2edge_ros.sensors.inertial import ImuPeriod, ImuPeriods
from sim2edge_ros.sensors.joined import Fixes, SoleForces
from sim2edge_ros.sensors.not_finite import not_finite
from sim2edge_ros.sensors.readers import (
    FixReader,
    ImuReader,
    JointReader,
    ScanReader,
    read_fix_velocity,
    read_foot,
)
from sim2edge_ros.sensors.source import ANY_PACE, Pace, Source
from sim2edge_ros.sensors.stamps import PeriodClock
from sim2edge_ros.settings.distro import incompatible_qos
from sim2edge_ros.settings.parameters import EdgeParameters

_IMU = frozenset((IMU_GYRO, IMU_ACCEL, IMU_BURST))
_SILENCE_OF_RECEIVERS = 2.5  # s without a fix that are too long; some receivers give one a second
_OTHER_RATE = 2.0  # factor by which a rate may differ before it is reported
_GRAVITY, _RESTS = 9.81, 2.0  # m/s^2, and by how much a robot at rest may differ from it
_TOO_FAST = 5.0  # the same for broadcasters, which publish as fast as they can


class _Part(NamedTuple):
    """Says where a source's signals go in a sample."""

    source: Source
    places: tuple[tuple[str, slice], ...]
    timeout: float  # s by which its stamp may differ from the IMU's


@dataclasses.dataclass(frozen=True)
class RosRobotConfig:
    """Sets how sensors are joined into a sample."""

    period: float  # s, of the control loop
    sensor_timeout: float = EdgeParameters.sensor_timeout
    scan_timeout: float = EdgeParameters.scan_timeout
    actuators: tuple[Actuator, ...] = ()  # whose ranges bound what joints can read


def used_part(robot: RobotDescription, used: frozenset[str]) -> RobotDescription:
    """Returns the robot with the signals that are read; the loop waits for no others."""
    signals = tuple(s for s in robot.signals if s.name in used)
    names = {s.name for s in signals}
    return dataclasses.replace(
        robot,
        signals=signals,
        live=None if robot.live is None else tuple(n for n in robot.live if n in names),
        live_moving=tuple(n for n in robot.live_moving if n in names),
    )


class RosRobot:
    """Implements `edge_runtime.robot.robot.Robot` on ROS topics.

    The subscriber's thread fills a slot per topic. `read`, in the loop's thread, joins them when
    the IMU has completed a control period. A sample is held back while another sensor's newest
    reading is too far from it in time, so that the guard sees no new samples and reacts.

    Args:
        node: the node that owns the subscriptions; messages are received in a thread of the robot's
            own.
        robot: names of joints and frames, and the description of a sample.
        used: signals that the policy, the estimator or the loop reads.
        config: how sensors are joined.
        send: called with each command in the loop's thread; it must not block.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotFile,
        used: frozenset[str],
        config: RosRobotConfig,
        send: Callable[[ActuatorCommand], None],
    ) -> None:
        self.description = used_part(robot.description, used | {IMU_GYRO, IMU_ACCEL})
        self._node, self._robot, self._send = node, robot, send
        self._subscriber_thread = SubscriberThread(node, "sensors")
        self._used = frozenset(s.name for s in self.description.signals)
        self._clock = PeriodClock(config.period)
        signals = self.description.signals
        burst = next((s.size for s in signals if s.name == IMU_BURST), IMU_READING)
        self._periods = ImuPeriods(self._clock, burst // IMU_READING)
        self._inertial: LatestValue[ImuPeriod | None] = LatestValue(None)
        self._joints_align = JointReader.reads(self._used)
        self.sources: list[Source] = []
        self.blocked = ""  # the topic for which samples are held back
        self.woken = WakeUp()  # woken when all sensors have reported the newest period
        self.whole_at = 0  # ns on the monotonic clock, when that happened
        self._places = self._lay_out()
        self._values: Array = np.zeros(self.description.sample_size, np.float32)
        self._sample: Sample | None = None
        # S, offset of the robot's stamps from those of the samples, which never go back
        self.shift = 0.0
        self._taken: ImuPeriod | None = None
        # s after a complete sample for which no message is received: the loop ticks and has the
        # interpreter for itself.
        self.pause = 0.0
        self._announced: ImuPeriod | None = None  # the period for which the loop was woken
        self._read_imu = ImuReader(robot.imu_frame)
        self._imu_bounds = ImuBounds()
        joints = robot.description.joint_names, robot.wheel_joints, robot.steering_joint
        self._joint_bounds = JointBounds(*joints, config.actuators, config.period)
        rate = self._periods.readings / config.period
        self._imu = self._source(
            topics.IMU,
            Imu,
            self._read_imu,
            self._take_imu,
            Pace(slow=rate / _OTHER_RATE, fast=rate * _OTHER_RATE),
        )
        self._parts = self._make_parts(robot, config)
        # Subscribe now that the slots are there; the IMU, which completes a sample, comes last.
        for source in sorted(self.sources, key=lambda source: source is self._imu):
            self._subscribe(source)
        self._subscriber_thread.start()

    # -- called by the control loop's thread -----------------------------------------------

    def read(self) -> Sample | None:
        inertial = self._inertial.get()
        if inertial is None or inertial is self._taken:
            return self._sample
        for part in self._parts:
            reading = part.source.slot.get()
            if reading is None or abs(reading.stamp - inertial.stamp) > part.timeout:
                self.blocked = part.source.topic
                return self._sample
            for signal, place in part.places:
                self._values[place] = reading.values[signal]
        self.blocked = ""
        for signal, values in (
            (IMU_GYRO, inertial.mean[:3]),
            (IMU_ACCEL, inertial.mean[3:]),
            (IMU_BURST, inertial.burst),
        ):
            if signal in self._places:
                self._values[self._places[signal]] = values
        self._taken = inertial
        self._sample = Sample(inertial.sequence, inertial.time, self._values)
        self.shift = inertial.stamp - inertial.time
        return self._sample

    def write(self, command: ActuatorCommand) -> None:
        self._send(command)

    def close(self) -> None:
        self._subscriber_thread.close()

    # -- called by the subscriber's thread -------------------------------------------------

    def look_around(self) -> None:
        """Finds the topics that several nodes publish; cheap enough for 10 Hz."""
        for source in self.sources:
            name = self._node.resolve_topic_name(source.topic)
            several = self._node.count_publishers(name) > source.expected
            found = tuple(sorted(publishers(self._node, name).values())) if several else ()
            # A driver that was killed stays in the graph for seconds beside its restarted self.
            alone = len(set(found) - {UNNAMED}) < 2
            restarted = alone and source.tells_apart and not source.hears_strangers
            source.publishers = () if restarted else found

    @property
    def crowded(self) -> list[Source]:
        """Returns the topics that several nodes publish."""
        return [source for source in self.sources if source.publishers]

    @property
    def confused(self) -> bool:
        """Returns whether several nodes publish a topic and their messages look alike."""
        return any(not source.tells_apart for source in self.crowded)

    def tilt(self) -> float:
        """Returns the angle from upright by the newest accelerometer's reading, rad; only at rest.

        It is 0 where the reading is not that of gravity alone.
        """
        inertial = self._inertial.get()
        if inertial is None:
            return 0.0
        x, y, z = inertial.mean[3:].tolist()
        force = math.hypot(x, y, z)
        return math.acos(z / force) if abs(force - _GRAVITY) < _RESTS else 0.0

    def trouble(self, explained: bool = False) -> list[str]:
        """Returns what keeps samples from coming, a line each.

        Args:
            explained: whether to look for the cause in the graph, which takes a millisecond.
        """
        found = []
        for source in self.sources:
            if line := source.trouble:
                silent = explained and not source.received and not source.incompatible
                cause = why_silent(self._node, source.topic, source.kind) if silent else ""
                found.append(f"{line}: {cause}" if cause else line)
        if not found and self.blocked:
            found = [f"{self.blocked}: its stamps are too far from those of {topics.IMU}"]
        return found + self._no_numbers()

    def remarks(self, rates: Mapping[str, float]) -> list[str]:
        """Returns what is unusual but works, a line each.

        Args:
            rates: measured rates of the topics' messages, 1/s; 0 if unknown.
        """
        remarks = [r for s in self.sources for r in s.remarks(rates.get(s.topic, 0.0))]
        frame = self._read_imu.remark
        return [*remarks, f"{topics.IMU}: {frame}"] if frame else remarks

    def _no_numbers(self) -> list[str]:
        readings = [(p.source.topic, r.values) for p in self._parts if (r := p.source.slot.get())]
        inertial = self._inertial.get()
        if inertial is not None:
            mean = inertial.mean
            readings.append((topics.IMU, {IMU_GYRO: mean[:3], IMU_ACCEL: mean[3:]}))
        found = []
        for topic, values in readings:
            named = (not_finite(name, value, self._robot) for name, value in values.items())
            found += [f"{topic}: {what}" for what in named if what]
        return found

    @property
    def ready(self) -> bool:
        """Returns whether every sensor that is needed has given a reading."""
        return self._inertial.get() is not None and all(p.source.slot.get() for p in self._parts)

    @property
    def error(self) -> Exception | None:
        """Returns the error that ended the subscriber's thread."""
        return self._subscriber_thread.error

    def _lay_out(self) -> dict[str, slice]:
        places, start = {}, 0
        for signal in self.description.signals:
            places[signal.name] = slice(start, start + signal.size)
            start += signal.size
        return places

    def _now(self) -> float:
        return self._node.get_clock().now().nanoseconds * 1e-9

    def _make_parts(self, robot: RobotFile, config: RosRobotConfig) -> list[_Part]:
        timeout = config.sensor_timeout or 2.5 * config.period
        rate = 1.0 / config.period
        self._pace = Pace(max(timeout, ANY_PACE.silence), rate / _OTHER_RATE, rate * _TOO_FAST)
        parts = []
        if JointReader.reads(self._used):
            joints = JointReader(robot, self._used)
            self._joints = self._source(
                topics.JOINTS, JointState, joints, self._take_joints, self._pace
            )
            parts.append(self._part(self._joints, timeout))
        if FOOT_FORCE in self._used:
            parts.append(self._feet(robot.feet, timeout))
        if LIDAR in self._used:
            wheeled = robot.description.wheeled
            reach = wheeled.lidar.max_range if wheeled and wheeled.lidar else math.inf
            scan = ScanReader(robot.description, reach)
            silence = Pace(max(config.scan_timeout, ANY_PACE.silence))
            source = self._source(topics.SCAN, LaserScan, scan, pace=silence)
            parts.append(self._part(source, config.scan_timeout))
        if GNSS_POSITION in self._used:
            parts.append(self._gnss())
        return parts

    def _source(
        self,
        topic: str,
        kind: Any,
        read: Callable[[bytes], Any],
        use: Callable[[float, Any], Any] = lambda stamp, values: values,
        pace: Pace = ANY_PACE,
    ) -> Source:
        source = Source(topic, kind, read, self._now, use, self._look, pace)
        self.sources.append(source)
        return source

    def _subscribe(self, source: Source) -> None:
        def report(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            source.incompatible = f"a publisher's quality of service does not fit ({policy})"

        events = incompatible_qos(report)
        subscribe = self._subscriber_thread.subscribe
        if source is not self._imu:
            subscribe(source.kind, source.topic, source.take, topics.SENSOR, events)
            return
        for topic in (topics.IMU, topics.IMU_RAW):
            subscribe(
                source.kind, topic, partial(self._take_inertial, topic), topics.SENSOR, events
            )

    def _take_inertial(self, topic: str, data: bytes, number: int | None) -> None:
        """Takes a message of the IMU's topic that came first, as long as that one is heard.

        A filter repeats the readings of one topic on the other.
        """
        imu = self._imu
        if topic != imu.topic and 0.0 <= self._now() - imu.arrived < ANY_PACE.silence:
            return
        imu.topic = topic
        imu.take(data, number)

    def _look(self) -> None:
        """Wakes the loop when a sample is complete."""
        inertial = self._inertial.get()
        if inertial is None or inertial is self._announced:
            return
        oldest = inertial.stamp - 0.5 * self._clock.period
        for part in self._parts:
            reading = part.source.slot.get()
            if reading is None or (part.timeout < math.inf and reading.stamp < oldest):
                return
        self._announced, self.whole_at = inertial, time.monotonic_ns()
        self.woken.wake()
        if self.pause:
            time.sleep(self.pause)

    def _part(self, source: Source, timeout: float, *signals: str) -> _Part:
        names = signals or self._given_by(source.topic)
        return _Part(source, tuple((n, self._places[n]) for n in names), timeout)

    def _given_by(self, topic: str) -> list[str]:
        if topic == topics.JOINTS:
            others = _IMU | {FOOT_FORCE, LIDAR, GNSS_POSITION, GNSS_VELOCITY}
            return [name for name in self._places if name not in others]
        return [LIDAR]

    def _take_joints(self, stamp: float, values: Mapping[str, Array]) -> Mapping[str, Array]:
        restarted = self._joints.gate.restarted
        self._joint_bounds.check(stamp, values, restarted)
        self._clock.align(stamp, restarted)
        return values

    def _take_imu(self, stamp: float, reading: Float) -> None:
        restarted = self._imu.gate.restarted
        self._imu_bounds.check(stamp, reading, restarted)
        if not self._joints_align:
            self._clock.align(stamp, restarted)
        complete = self._periods.add(stamp, reading, restarted)
        if complete is not None:
            self._inertial.put(complete)

    def _feet(self, feet: tuple[str, ...], timeout: float) -> _Part:
        soles = SoleForces(len(feet), self._now)
        for place, foot in enumerate(feet):
            topic = topics.FOOT.format(foot)
            self._source(topic, WrenchStamped, read_foot, partial(soles.take, place), self._pace)
        return self._part(soles.source, timeout, FOOT_FORCE)

    def _gnss(self) -> _Part:
        """Subscribes to a receiver; between two fixes the last one holds, however old."""
        fixes, pace = Fixes(self._now), Pace(_SILENCE_OF_RECEIVERS)
        self._source(topics.FIX, NavSatFix, FixReader(None), fixes.take, pace)
        self._source(
            topics.FIX_VELOCITY, TwistWithCovarianceStamped, read_fix_velocity, fixes.take, pace
        )
        return self._part(fixes.source, math.inf, GNSS_POSITION, GNSS_VELOCITY)
