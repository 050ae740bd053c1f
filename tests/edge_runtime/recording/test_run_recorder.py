"""A run's log holds what the loop had, to the bit, whatever happens to the run or to the disk."""

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_log_format import read_run_log
from edge_runtime.recording.run_recorder import RunRecorder
from tests.edge_runtime.leg import BURST, make_contract, make_model
from tests.edge_runtime.recording.logged import Logged, ReadingRobot, a_reset_in_flight, replayed


def test_everything_is_kept_as_it_was(logged: Logged, path: Path) -> None:
    loop, robot, log = logged
    estimates = []
    loop.command.put(np.array([0.5, -0.25, 0.1], np.float32))
    for _ in range(50):
        robot.values["joint_pos"][0] += 0.01
        loop.tick()
        estimates.append(loop.fusion.estimates["attitude"][0].copy())
    log.close()
    record = read_run_log(path)
    assert (record.damage, record.complete, record.fusion) == ((), True, "vqf")
    assert record.robot == robot.description
    rows = record.rows
    assert rows["row"].tolist() == rows["tick"].tolist() == list(range(50))
    assert rows["sequence"].tolist() == list(range(1, 51))
    assert rows["stamp"] == pytest.approx(0.02 * np.arange(1, 51))
    sensed = [rows[f"sensor.{s.name}"] for s in robot.description.signals]
    assert np.concatenate(sensed, axis=1).tobytes() == b"".join(robot.given)
    assert rows["estimate.attitude"].tobytes() == np.array(estimates).tobytes()
    assert rows["command"][-1].tolist() == [0.5, -0.25, np.float32(0.1)]
    for column, sent in (("target", "target"), ("stiffness", "stiffness"), ("damping", "damping")):
        wanted = np.array([getattr(command, sent) for command in robot.commands])
        assert rows[column].tobytes() == wanted.tobytes()
    assert set(rows["mode"]) == {0}


def test_the_file_explains_itself(logged: Logged, path: Path) -> None:
    loop, _, log = logged
    loop.tick()
    log.close()
    record = read_run_log(path)
    columns = {c["name"]: (c["size"], c["unit"], c["frame"]) for c in record.header["columns"]}
    assert columns["sensor.imu_gyro"] == (3, "rad/s", "imu")
    assert columns["estimate.attitude"] == (4, "1", "world")
    assert columns["command"] == (3, "m/s, rad/s", "")
    assert columns["stamp"] == (1, "s", "")
    policy = record.header["policy"]
    assert policy["source"] == "first.onnx"
    assert policy["sha256"] == loop.controller.policy.sha256
    assert record.contract.control_period == 0.02
    assert record.contract.actuators == loop.controller.contract.actuators


def test_samples_before_a_good_one_are_kept_and_nothing_was_sent(
    logged: Logged, path: Path
) -> None:
    loop, robot, log = logged
    robot.values["joint_pos"][:] = np.nan
    loop.tick()
    robot.values["joint_pos"][:] = 0
    loop.tick()
    log.close()
    rows = read_run_log(path).rows
    assert rows["mode"].tolist() == [-1, 0]
    assert rows["fused"].tolist() == [0, 2]
    assert np.isnan(rows["sensor.joint_pos"][0]).all()


def test_another_policy_is_logged_where_it_took_over(logged: Logged, path: Path) -> None:
    loop, _, log = logged
    for _ in range(3):
        loop.tick()
    loop.swap(Policy(make_model(make_contract(), seed=1), "second.onnx"))
    for _ in range(3):
        loop.tick()
    log.close()
    record = read_run_log(path)
    (event,) = [e for e in record.events if e["event"] == "policy"]
    assert (event["row"], event["policy"]["source"]) == (3, "second.onnx")
    assert event["policy"]["sha256"] != record.header["policy"]["sha256"]
    assert replayed(path).verdict() == "as in the loop, to the bit"


def test_a_lost_estimator_says_why(logged: Logged, path: Path) -> None:
    loop, robot, log = logged
    loop.tick()
    a_reset_in_flight(loop, robot)
    loop.tick()
    log.close()
    record = read_run_log(path)
    events = [(e["row"], e["lost"]) for e in record.events if e["event"] == "estimator"]
    assert events == [(1, True), (6, False)]
    assert record.events[0]["reason"] == "no reading shows the vertical yet"
    assert record.rows["lost"].tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_at_its_limit_the_log_ends_and_the_robot_drives_on(path: Path) -> None:
    robot = ReadingRobot()
    policy = Policy(make_model(make_contract()))
    loop = ControlLoop(policy, robot, AttitudeFusion(0.02, BURST), LoopConfig(rules=()))
    with closing(BlockFile(path, 20_000)) as file:
        log = RunRecorder(file, loop, "vqf")
        loop.add_observer(log)
        for _ in range(100):
            loop.tick()
            time.sleep(0.01)
        log.close()
    assert len(robot.commands) == 100
    report = log.as_dictionary()
    assert report["ended_early"] == "its limit of 0.02 MB is reached"
    assert 0 < report["rows"] < 100
    assert report["rows"] + report["rows_lost"] == 100
    assert path.stat().st_size <= 20_000
    assert "ended early: its limit" in log.described()
    assert replayed(path).readings == report["rows"]
