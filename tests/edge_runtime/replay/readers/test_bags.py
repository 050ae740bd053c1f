"""Bags as robots record them: which topics are read, and how."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import Feet, GnssFix, Imu, Magnetometer, Wheels
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.bags.recorded_robot import find_robot
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import ReadRequest, TopicsConfig, UnitsConfig
from edge_runtime.replay.replay_log import choose_estimator, make_estimator, replay_log
from tests.edge_runtime.fusion.recordings import recordings
from tests.edge_runtime.replay.readers.written import (
    FIX,
    IMU,
    JOINTS,
    LEVEL,
    ODOMETRY,
    WRENCH,
    Sent,
    imu_of,
    joints_of,
    messages,
    odometry_of,
    recording,
    store,
    vector,
    write_ros1,
    write_ros2,
)

PERIOD = 10_000_000  # ns


def of(log: Log, kind: Any) -> list[Any]:
    return [m for m in log.measurements if isinstance(m, kind)]


def standing(s: Any, count: int = 60) -> list[Sent]:
    rng = np.random.default_rng(0)
    upwards = np.array([0.0, 0.0, 9.81])
    return [
        Sent(
            "/imu/data_raw",
            IMU,
            imu_of(s, 1e-3 * rng.standard_normal(3), upwards + 0.02 * rng.standard_normal(3)),
            10**18 + k * PERIOD,
        )
        for k in range(count)
    ]


def with_each(sent: list[Sent], topic: str, kind: str, fields: dict[str, Any]) -> list[Sent]:
    """A message of another topic after each of these."""
    return [m for one in sent for m in (one, Sent(topic, kind, fields, one.stamp))]


def test_topics_are_chosen_by_name_and_others_left_out(tmp_path: Path) -> None:
    s = store()
    sent = messages(s) + [replace(m, topic="/other") for m in messages(s) if m.type == IMU]
    sent.sort(key=lambda m: m.stamp)
    path = write_ros2(tmp_path / "a", sent)
    topics = TopicsConfig(imu="imu/data", magnetometer="none", reference="none")
    log = read_log(path, 0, ReadRequest(topics=topics))
    assert {type(m) for m in log.measurements} == {Imu}
    assert log.reference is None
    assert log.name == "a"


def test_the_magnetometer_beside_the_imu_is_taken(tmp_path: Path) -> None:
    s = store()
    far = [replace(m, topic="/car/mag") for m in messages(s) if "Magnetic" in m.type]
    path = write_ros2(tmp_path / "a", sorted(messages(s) + far, key=lambda m: m.stamp))
    assert len(of(read_log(path), Magnetometer)) == len(recording().stamp)
    path = write_ros2(
        tmp_path / "b", [replace(m, topic=m.topic.replace("/imu/mag", "/c/mag")) for m in far]
        + [m for m in messages(s) if m.topic == "/imu/data"]
        + [replace(m, topic="/b/mag") for m in far],
    )  # fmt: skip
    log = read_log(path)
    assert not of(log, Magnetometer)
    assert any("several: /b/mag, /car/mag" in note for note in log.notes)


def test_the_imu_is_turned_to_the_body(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a", messages(store()))
    r = recording()
    half = np.sqrt(0.5)
    about_up = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # x becomes y
    for rotation in ((0.0, 0.0, 90.0), (half, 0.0, 0.0, half), tuple(about_up.ravel().tolist())):
        log = read_log(path, 0, ReadRequest(imu_to_body=rotation))
        for kind, name, values in (
            (Imu, "gyro", r.gyro),
            (Imu, "accel", r.accel),
            (Magnetometer, "field", r.field),
        ):
            read = [getattr(m, name) for m in of(log, kind)]
            np.testing.assert_allclose(read, values @ about_up.T, atol=1e-12)


def test_units_are_converted(tmp_path: Path) -> None:
    path = write_ros2(tmp_path / "a", messages(store()))
    log = read_log(path, 0, ReadRequest(units=UnitsConfig(gyro="deg/s", accel="g")))
    first, r = of(log, Imu)[0], recording()
    np.testing.assert_allclose(first.gyro, np.radians(r.gyro[0]))
    np.testing.assert_allclose(first.accel, 9.80665 * r.accel[0])


def test_stamps_are_the_header_s_and_arrivals_in_the_order_of_receipt(tmp_path: Path) -> None:
    s = store()
    sent = [m for m in messages(s, truth="") if m.topic == "/imu/data"][:40]
    late, twice = sent[10], sent[20]
    mixed = [*sent[:10], *sent[11:15], late, *sent[15:21], twice, *sent[21:]]
    mixed = [replace(m, received=5 * 10**17 + k * PERIOD) for k, m in enumerate(mixed)]
    log = read_log(write_ros2(tmp_path / "a", mixed))
    stamps = [m.stamp for m in log.measurements]
    assert stamps[10] == pytest.approx(0.055) and stamps[14] == pytest.approx(0.05)
    assert np.all(np.diff(log.arrivals) >= 0.0)
    assert log.arrivals[-1] == pytest.approx(0.195)
    assert any("1 IMU readings are stamped as the one before" in note for note in log.notes)
    assert any("1 IMU readings are stamped before the one before" in note for note in log.notes)
    run = replay_log(make_estimator(choose_estimator(log), log), log)
    assert np.isfinite(run.attitude).all()


def test_messages_that_nobody_stamped_have_their_times_of_receipt(tmp_path: Path) -> None:
    s = store()
    sent = [replace(m, stamp=0, received=m.stamp) for m in messages(s, truth="")]
    log = read_log(write_ros2(tmp_path / "a", sent))
    np.testing.assert_allclose(np.diff([m.stamp for m in of(log, Imu)]), 0.005, atol=1e-9)
    assert sum("are not stamped" in note for note in log.notes) == 2


def test_a_bag_of_several_files_without_metadata_is_read_in_their_order(tmp_path: Path) -> None:
    s, folder = store(), tmp_path / "bag"
    folder.mkdir()
    sent = messages(s)
    for number, part in ((2, sent[900:]), (10, []), (1, sent[:900])):
        if part:
            written = write_ros2(tmp_path / f"part_{number}", part)
            shutil.move(written / f"part_{number}.mcap", folder / f"bag_{number}.mcap")
    log = read_log(folder)
    assert len(of(log, Imu)) == len(recording().stamp)
    assert np.all(np.diff(log.arrivals) >= 0.0)


@pytest.mark.parametrize("ending", [".mcap.0", ".bag", ""])
def test_the_content_decides_and_not_the_ending(ending: str, tmp_path: Path) -> None:
    bag = write_ros2(tmp_path / "a", messages(store()))
    path = tmp_path / f"file{ending}"
    shutil.move(bag / "a.mcap", path)
    assert len(of(read_log(path), Imu)) == len(recording().stamp)


def test_odometry_is_read_as_a_left_and_a_right_wheel(tmp_path: Path) -> None:
    s = store(1)
    sent = with_each(standing(s), "/odom", ODOMETRY, odometry_of(s, LEVEL, 1.0, 0.5))
    path = write_ros1(tmp_path / "a.bag", sent)
    assert choose_estimator(read_log(path)) == "attitude"
    assert any("/odom (nav_msgs/Odometry)" in note for note in read_log(path).notes)
    for request in (
        ReadRequest(topics=TopicsConfig(wheels="/odom")),
        ReadRequest(robot="differential"),
        ReadRequest(estimator="wheeled"),
    ):
        log = read_log(path, 0, request)
        assert choose_estimator(log) == "wheeled"
        wheels = of(log, Wheels)
        assert len(wheels) == 60
        track = log.config.wheels[0][1] - log.config.wheels[1][1]
        np.testing.assert_allclose(wheels[0].speed, 1.0 + 0.25 * track * np.array([-1.0, 1.0]))
        make_estimator("wheeled", log)


def test_fixes_are_metres_from_the_first(tmp_path: Path) -> None:
    s = store()
    sent = standing(s)
    for k, one in enumerate(sent[::10]):
        status = s.types["sensor_msgs/msg/NavSatStatus"](-1 if k == 1 else 0, 1)
        fix = {
            "status": status,
            "latitude": 48.0 + 1e-5 * k,
            "longitude": 11.0,
            "altitude": 500.0,
            "position_covariance": np.diag([4.0, 4.0, 9.0]).ravel(),
            "position_covariance_type": 2,
        }
        sent.append(Sent("/fix", FIX, fix, one.stamp + 1))
    sent.sort(key=lambda m: m.stamp)
    path = write_ros2(tmp_path / "a", sent)
    assert not of(read_log(path), GnssFix)  # without wheels it may be a drone's
    fixes = of(read_log(path, 0, ReadRequest(topics=TopicsConfig(gnss="/fix"))), GnssFix)
    assert len(fixes) == 5  # one was none
    np.testing.assert_allclose(fixes[-1].position, [0.0, 5.56, 0.0], atol=0.01)
    np.testing.assert_allclose(fixes[0].std, [2.0, 2.0, 3.0])
    assert fixes[0].velocity is None


@pytest.mark.parametrize(
    ("late", "believed"),
    [pytest.param(1, True, marks=pytest.mark.slow), (900_000, True), (2_000_000, False)],
)
def test_a_receivers_velocity_is_of_the_fix_beside_it(
    late: int, believed: bool, tmp_path: Path
) -> None:
    s = store()
    sent = standing(s)
    for k, one in enumerate(sent[::10]):
        fix = {
            "status": s.types["sensor_msgs/msg/NavSatStatus"](0, 1),
            "latitude": 48.0,
            "longitude": 11.0,
            "altitude": 500.0,
            "position_covariance": np.diag([4.0, 4.0, 9.0]).ravel(),
            "position_covariance_type": 2,
        }
        still = vector(s, (0.0, 0.0, 0.0))
        twist = s.types["geometry_msgs/msg/Twist"](vector(s, (float(k), 0.0, 0.0)), still)
        sent.append(Sent("/fix", FIX, fix, one.stamp + 1))
        velocity = "geometry_msgs/msg/TwistStamped"
        sent.append(Sent("/vel", velocity, {"twist": twist}, one.stamp + 1 + late))
    sent.sort(key=lambda m: m.stamp)
    path = write_ros2(tmp_path / "a", sent)
    topics = TopicsConfig(gnss="/fix", gnss_velocity="/vel")
    log = read_log(path, 0, ReadRequest(topics=topics))
    fixes = of(log, GnssFix)
    assert len(fixes) > 4
    if believed:
        assert [fix.velocity[0] for fix in fixes] == list(range(len(fixes)))
    else:
        assert all(fix.velocity is None for fix in fixes)
        assert any("'/vel' is left out: no stamp is within 1 ms" in note for note in log.notes)


def test_joints_without_positions_or_velocities_are_refused(tmp_path: Path) -> None:
    """A message of joint states may leave out what it does not know."""
    s, robot = store(), find_robot("vehicle").file
    assert robot is not None
    names = [*robot.wheel_joints, robot.steering_joint]
    numbers = np.zeros(len(names))
    for place, (position, velocity) in enumerate(((numbers[:0], numbers), (numbers, numbers[:0]))):
        sent = with_each(standing(s), "/joint_states", JOINTS, joints_of(names, position, velocity))
        path = write_ros2(tmp_path / str(place), sent)
        with pytest.raises(UserError, match="without their velocities or positions; record both"):
            read_log(path, 0, ReadRequest(robot="vehicle"))


def test_the_wheels_and_the_steering_of_a_robot_file(tmp_path: Path) -> None:
    s, robot = store(), find_robot("vehicle").file
    assert robot is not None and robot.description.wheeled is not None
    names = [*robot.passive_joints, *reversed(robot.wheel_joints), robot.steering_joint]
    speeds = [0.0] * len(robot.passive_joints) + [4.0, 3.0, 2.0, 1.0, 0.0]
    angles = [0.0] * (len(names) - 1) + [0.2]
    sent = with_each(standing(s), "/joint_states", JOINTS, joints_of(names, angles, speeds))
    gripper = joints_of(["finger"], [0.0], [0.0])
    path = write_ros2(tmp_path / "a", with_each(sent, "/joint_states", JOINTS, gripper))
    log = read_log(path, 0, ReadRequest(robot="vehicle"))
    assert choose_estimator(log) == "wheeled"
    assert log.config == robot.description.wheeled.estimator
    first = of(log, Wheels)[0]
    radius = robot.description.wheeled.wheel_radius
    np.testing.assert_allclose(first.speed, radius * np.array([1.0, 2.0, 3.0, 4.0]))
    assert first.steering == pytest.approx(0.2)
    make_estimator("wheeled", log)


def test_the_feet_of_a_robot_file(tmp_path: Path) -> None:
    s, robot = store(), find_robot("humanoid").file
    assert robot is not None and robot.description.legged is not None
    names = list(robot.description.joint_names)
    still = np.zeros(len(names))
    wrench = s.types["geometry_msgs/msg/Wrench"]
    sent = standing(s)
    for foot, newtons in zip(robot.feet, (300.0, 0.0)):
        force = {"wrench": wrench(vector(s, (0.0, 0.0, newtons)), vector(s, np.zeros(3)))}
        sent = with_each(sent, f"/robot/{foot}/wrench", WRENCH, force)
    sent = with_each(sent, "/robot/joint_states", JOINTS, joints_of(names, still, still))
    path = write_ros2(tmp_path / "a", sent)
    log = read_log(path, 0, ReadRequest(robot="humanoid"))
    assert choose_estimator(log) == "legged"
    feet = of(log, Feet)[-1]
    points = len(feet.contact) // 2
    assert np.all(feet.contact[:points] > 0.9) and np.all(feet.contact[points:] < 0.1)
    assert np.all(feet.position[:, 2] < -0.5)  # below the IMU
    left, right = feet.position[0], feet.position[points]
    assert left[1] == pytest.approx(-right[1]) and left[1] > 0.0


def test_the_truth_of_motion_capture(tmp_path: Path) -> None:
    """Its heading is arbitrary, and so is not compared with the magnetometer's."""
    path = write_ros2(tmp_path / "a", messages(store(), truth="/vicon/robot"))
    log = read_log(path)
    assert log.reference is not None and not log.north
    np.testing.assert_allclose(log.reference.attitude, recording().truth, atol=1e-9)
    np.testing.assert_allclose(log.reference.position, [[1.0, 2.0, 3.0]] * len(recording().stamp))
    other = write_ros2(tmp_path / "b", messages(store(), truth="/odometry/filtered"))
    assert read_log(other).reference is None  # an estimate is no truth, unless somebody says so
    topics = TopicsConfig(reference="/odometry/filtered")
    assert read_log(other, 0, ReadRequest(topics=topics)).reference is not None


def test_a_recorded_robot(tmp_path: Path) -> None:
    pytest.importorskip("rosbags")
    path = recordings("bags", "jackal*.bag")[0]
    log = read_log(path)
    assert len(of(log, Imu)) == 3061
    wheels = ReadRequest(topics=TopicsConfig(wheels="/jackal_velocity_controller/odom"))
    assert len(of(read_log(path, 0, wheels), Wheels)) == 3060


def test_the_beginning_is_left_out_where_a_simulation_waits_or_the_user_says(
    tmp_path: Path,
) -> None:
    s = store()
    live = standing(s, 100)
    waiting = [replace(live[k % 4], stamp=m.stamp - 200 * PERIOD) for k, m in enumerate(live)]
    waiting += [replace(m, stamp=m.stamp - 100 * PERIOD) for m in waiting]
    path = write_ros2(tmp_path / "a", sorted([*waiting, *live], key=lambda m: m.stamp))
    log = read_log(path)
    assert of(log, Imu)[0].stamp == pytest.approx(3.0, abs=0.05)
    assert any("repeat themselves" in note for note in log.notes)
    log = read_log(write_ros2(tmp_path / "b", live), 0, ReadRequest(skip=0.5))
    assert len(of(log, Imu)) == 50
    assert of(log, Imu)[0].stamp == pytest.approx(0.5)
