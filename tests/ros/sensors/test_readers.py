"""Messages are read by name, and refused in one line if they do not fit."""

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from geometry_msgs.msg import TwistWithCovarianceStamped, WrenchStamped
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState, LaserScan, NavSatFix

from edge_runtime.safety.possible import ImpossibleReading
from sim2edge_ros.sensors.readers import (
    BadMessage,
    FixReader,
    ImuReader,
    JointReader,
    OthersMessage,
    ScanReader,
    read_fix_velocity,
    read_foot,
)
from sim2edge_ros.settings import robot_file

JOINTS = frozenset(("joint_pos", "joint_vel"))
HUMANOID = robot_file.load("humanoid")
VEHICLE = robot_file.load("vehicle")
assert VEHICLE.description.wheeled is not None
assert VEHICLE.description.wheeled.lidar is not None
VIEW = VEHICLE.description.wheeled.lidar.field_of_view  # rad
NAMES = list(HUMANOID.description.joint_names)


def joint_state(names: list[str]) -> JointState:
    """Each joint's position is its place in the robot's order, its velocity ten times that."""
    position = [float(NAMES.index(n)) if n in NAMES else 99.0 for n in names]
    velocity = [10.0 * p for p in position]
    return JointState(name=names, position=position, velocity=velocity)


def test_joints_come_in_the_robots_order_whatever_theirs_is() -> None:
    reader = JointReader(HUMANOID, JOINTS)
    order = np.random.default_rng(0).permutation(len(NAMES))
    for names in (NAMES, [NAMES[n] for n in order], NAMES[::-1]):
        values = reader(serialize_message(joint_state(names)))
        assert values["joint_pos"].tolist() == list(range(len(NAMES)))
        assert values["joint_vel"].tolist() == [10.0 * n for n in range(len(NAMES))]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.name.remove("left_knee"), "joint 'left_knee' is missing"),
        (lambda m: m.name.append("tail"), "joint 'tail' is not one of the policy's"),
        (lambda m: m.name.append("left_knee"), "joint 'left_knee' is listed twice"),
        (lambda m: m.position.pop(), "18 entries in 'position' for 19 joints"),
        (lambda m: setattr(m, "velocity", []), "0 entries in 'velocity' for 19 joints"),
    ],
)
def test_joints_that_do_not_fit_are_refused(change: object, complaint: str) -> None:
    reader = JointReader(HUMANOID, JOINTS)
    reader(serialize_message(joint_state(NAMES)))
    message = joint_state(list(NAMES))
    assert callable(change)
    change(message)
    with pytest.raises(BadMessage, match=complaint):
        reader(serialize_message(message))
    reader(serialize_message(joint_state(NAMES)))  # and a good one is good again


def test_a_message_with_joints_of_others_alone_is_ignored() -> None:
    """A gripper's driver may publish on the same topic; with some of ours among them it may not."""
    reader = JointReader(HUMANOID, JOINTS)
    with pytest.raises(OthersMessage):
        reader(serialize_message(joint_state(["finger", "thumb"])))
    with pytest.raises(BadMessage, match="is missing"):
        reader(serialize_message(joint_state(["finger", *NAMES[:5]])))
    reader(serialize_message(joint_state(NAMES)))


def test_a_passive_joint_may_be_there() -> None:
    import dataclasses

    robot = dataclasses.replace(HUMANOID, passive_joints=("tail",))
    values = JointReader(robot, JOINTS)(serialize_message(joint_state(["tail", *NAMES])))
    assert values["joint_pos"].tolist() == list(range(len(NAMES)))


def test_a_cars_wheels_and_steering_come_from_its_joints() -> None:
    names = [*reversed(VEHICLE.wheel_joints), "steering"]
    message = JointState(
        name=names, position=[0.0] * 4 + [0.25], velocity=[1.0, 2.0, 3.0, 4.0, 0.0]
    )
    values = JointReader(VEHICLE, frozenset(("wheel_speed", "steering_angle")))(
        serialize_message(message)
    )
    assert values["wheel_speed"].tolist() == [4.0, 3.0, 2.0, 1.0]
    assert values["steering_angle"].tolist() == [0.25]


def scan(ranges: list[float], turn: float = 1.0, view: float = VIEW) -> LaserScan:
    """Over an angle in rad, from right to left unless turn is -1."""
    return LaserScan(
        ranges=ranges,
        angle_min=-turn * view / 2,
        angle_max=turn * view / 2,
        angle_increment=turn * view / 63,
        range_max=25.0,
    )


def test_a_beam_without_an_echo_reads_the_largest_range() -> None:
    reader = ScanReader(VEHICLE.description, 25.0)
    ranges = [math.inf, -math.inf, math.nan, 3.0] + [1.0] * 60
    assert reader(serialize_message(scan(ranges)))["lidar"][:4].tolist() == [25.0, 0.0, 25.0, 3.0]


def test_a_scan_that_is_mostly_nan_stays_so_for_the_guard() -> None:
    reader = ScanReader(VEHICLE.description, 25.0)
    values = reader(serialize_message(scan([math.nan] * 40 + [1.0] * 24)))["lidar"]
    assert np.isnan(values).sum() == 40


def test_a_scan_from_left_to_right_is_turned_round() -> None:
    values = ScanReader(VEHICLE.description, 25.0)(
        serialize_message(scan([float(n) for n in range(64)], -1.0))
    )
    assert values["lidar"][:2].tolist() == [25.0, 25.0]  # 63 and 62 m are beyond its range
    assert values["lidar"][-2:].tolist() == [1.0, 0.0]


def test_a_scan_of_other_beams_is_refused() -> None:
    with pytest.raises(BadMessage, match="63 beams, the robot file has 64"):
        ScanReader(VEHICLE.description, 25.0)(serialize_message(scan([1.0] * 63)))


def test_a_single_beam_has_no_angle_between_two() -> None:
    """As of a range finder that looks ahead."""
    signals = tuple(
        dataclasses.replace(s, size=1) if s.name == "lidar" else s
        for s in VEHICLE.description.signals
    )
    reader = ScanReader(dataclasses.replace(VEHICLE.description, signals=signals), 25.0)
    message = LaserScan(ranges=[7.0], range_max=25.0)
    assert reader(serialize_message(message))["lidar"].tolist() == [7.0]


@pytest.mark.parametrize(
    ("ranges", "complaint"),
    [
        ([2300.0] * 60 + [math.inf] * 4, "its beams reach 2.3e.03 m, .* 25 m at most; is that mm"),
        ([1.0] * 63 + [-1.0], "a beam reads -1 m; a beam without an echo must read inf"),
        ([0.0] * 64, "every beam reads 0 m"),
    ],
)
def test_ranges_that_are_none_are_refused(ranges: list[float], complaint: str) -> None:
    with pytest.raises(ImpossibleReading, match=complaint):
        ScanReader(VEHICLE.description, 25.0)(serialize_message(scan(ranges)))


@pytest.mark.parametrize("ranges", [[60.0] * 64, [0.0] * 40 + [2.0] * 24, [math.inf] * 64])
def test_a_better_lidar_than_the_robots_is_believed(ranges: list[float]) -> None:
    values = ScanReader(VEHICLE.description, 25.0)(serialize_message(scan(ranges)))["lidar"]
    assert values.max() <= 25.0


@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_a_scan_over_another_angle_is_refused(turn: float) -> None:
    reader = ScanReader(VEHICLE.description, 25.0)
    with pytest.raises(BadMessage, match=r"from -1.57 to 1.57 rad, the robot file has -2.36 to"):
        reader(serialize_message(scan([1.0] * 64, turn, math.pi)))
    reader(serialize_message(scan([1.0] * 64, turn, VIEW * 1.002)))


@pytest.mark.parametrize(
    ("angle_min", "angle_max", "increment"),
    [
        (-VIEW / 2, VIEW / 2, 0.0),
        (-VIEW / 2, VIEW / 2, -VIEW / 63),  # else it would be mirrored
        (VIEW / 2, -VIEW / 2, VIEW / 63),
        (-VIEW / 2, VIEW / 2, VIEW / 31.5),
        (-VIEW / 2, VIEW / 2, VIEW / 66),
        (-VIEW / 2, VIEW / 2, math.degrees(VIEW / 63)),
        (-VIEW / 2, VIEW / 2, math.nan),
        (-VIEW / 2, VIEW / 2, math.inf),
        (math.nan, VIEW / 2, VIEW / 63),
        (-VIEW / 2, math.nan, VIEW / 63),
        (-math.inf, math.inf, VIEW / 63),
        (0.0, 0.0, 0.0),
    ],
)
def test_angles_that_do_not_fit_each_other_are_refused(
    angle_min: float, angle_max: float, increment: float
) -> None:
    message = scan([1.0] * 64)
    message.angle_min, message.angle_max = angle_min, angle_max
    message.angle_increment = increment
    without_view = dataclasses.replace(VEHICLE.description, wheeled=None)
    for description in (VEHICLE.description, without_view):
        with pytest.raises(BadMessage) as bad:
            ScanReader(description, 25.0)(serialize_message(message))
        named = f"angle_min {angle_min:.3g}, angle_max {angle_max:.3g} and angle_increment"
        assert named in str(bad.value) and "do not fit 64 beams" in str(bad.value)
        assert "\n" not in str(bad.value)


@pytest.mark.parametrize("turn", [1.0, -1.0])
@pytest.mark.parametrize("gaps", [63, 64])  # some drivers divide by the number of beams
def test_angles_that_fit_to_one_beam_are_read(turn: float, gaps: int) -> None:
    message = scan([float(n % 20) for n in range(64)], turn)
    message.angle_increment = turn * VIEW / gaps
    lidar = ScanReader(VEHICLE.description, 25.0)(serialize_message(message))["lidar"]
    assert (lidar[0], lidar[-1]) == ((0.0, 3.0) if turn > 0 else (3.0, 0.0))


@pytest.mark.parametrize(("frame", "fits"), [("imu", True), ("h1/imu", True), ("imu_link", False)])
def test_the_frame_of_an_imu_is_compared_with_the_robots(frame: str, fits: bool) -> None:
    message = Imu()
    message.header.frame_id, message.angular_velocity.z = frame, 3.0
    reader = ImuReader("imu")
    assert reader(serialize_message(message))[2] == 3.0
    assert reader.remark == ("" if fits else "its frame is 'imu_link', the robot file has 'imu'")
    message.header.frame_id = "imu"
    reader(serialize_message(message))
    assert reader.remark == ""


def test_a_receiver_without_a_status_has_a_fix() -> None:
    """As drivers do that were written before there was one for unknown."""
    message = NavSatFix(latitude=48.0, longitude=11.0, altitude=1.0)
    message.status.status = -2
    assert np.isfinite(FixReader(None)(serialize_message(message))["gnss_position"]).all()


def test_a_receiver_without_a_fix_gives_none() -> None:
    message = NavSatFix(latitude=48.0, longitude=11.0, altitude=1.0)
    message.status.status = 0
    reader = FixReader(None)
    assert reader(serialize_message(message))["gnss_position"].tolist() == [0.0, 0.0, 0.0]
    message.status.status = -1
    with pytest.raises(BadMessage, match="no fix"):
        reader(serialize_message(message))
    message.status.status, message.latitude = 0, math.nan
    with pytest.raises(BadMessage, match="not a number"):
        reader(serialize_message(message))


@pytest.mark.parametrize(
    ("latitude", "longitude", "altitude", "complaint"),
    [
        (480_000_000.0, 110_000_000.0, 500.0, "is nowhere on the ground; are those degrees and m"),
        (111.0, 48.0, 500.0, "latitude 111, longitude 48, altitude 500 m is nowhere"),
        (48.0, 11.0, 500_000.0, "altitude 5e.05 m is nowhere on the ground"),
        (0.0, 0.0, 0.0, "is what a receiver gives that has no fix yet"),
        (50.0, 11.0, 500.0, "is 222 km from where the robot began; restart the node"),
    ],
)
def test_a_fix_where_no_robot_is_is_refused(
    latitude: float, longitude: float, altitude: float, complaint: str
) -> None:
    reader, message = FixReader(None), NavSatFix(latitude=48.0, longitude=11.0, altitude=500.0)
    message.status.status = 0
    reader(serialize_message(message))
    message.latitude, message.longitude, message.altitude = latitude, longitude, altitude
    with pytest.raises(BadMessage, match=complaint):
        reader(serialize_message(message))
    message.latitude, message.longitude, message.altitude = 48.0001, 11.0, 500.0
    assert reader(serialize_message(message))["gnss_position"][1] == pytest.approx(11.1, abs=0.1)


def test_a_receivers_velocity_in_millimetres_is_refused() -> None:
    message = TwistWithCovarianceStamped()
    message.twist.twist.linear.x = 60.0  # a fast car
    assert read_fix_velocity(serialize_message(message))["gnss_velocity"][0] == 60.0
    message.twist.twist.linear.x = 2300.0
    with pytest.raises(ImpossibleReading, match=r"moves at 2.3e.03 m/s; is that mm/s"):
        read_fix_velocity(serialize_message(message))


@pytest.mark.parametrize(
    ("force", "complaint"),
    [
        (3e5, "presses it with 3e.05 N; is that mN"),
        (-300.0, "pulls it with 300 N; does its z axis"),
    ],
)
def test_a_force_that_no_ground_has_is_refused(force: float, complaint: str) -> None:
    message = WrenchStamped()
    for possible in (0.0, -20.0, 2000.0, math.nan):
        message.wrench.force.z = possible
        assert read_foot(serialize_message(message)) == pytest.approx(possible, nan_ok=True)
    message.wrench.force.z = force
    with pytest.raises(ImpossibleReading, match=complaint):
        read_foot(serialize_message(message))
