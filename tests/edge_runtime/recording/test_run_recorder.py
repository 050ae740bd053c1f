"""A run's log holds what the loop had, to the bit, whatever happens to the run or to the disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.fusion.measurement import FusedSample
from edge_runtime.loop.control_loop import ControlLoop, LoopConfig
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_log_format import RunRecord, read_run_log
from edge_runtime.recording.run_recorder import RunRecorder
from edge_runtime.replay import fuse
from edge_runtime.replay.fuse import FuseConfig
from edge_runtime.replay.readers.robot_run import read_run
from edge_runtime.replay.replay_log import replay_log
from edge_runtime.replay.replayed_fusion import ReplayedFusion
from edge_runtime.robot.robot import Sample
from edge_runtime.robot.shared_memory import segment_path
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks import find_task
from sim2edge.__main__ import main
from tests.edge_runtime.leg import BURST, LegRobot, ManualClock, make_contract, make_model

ROOT = Path(__file__).parents[3]


class ReadingRobot(LegRobot):
    """A small robot that remembers what it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []

    def read(self) -> Sample | None:
        sample = super().read()
        assert sample is not None
        self.given.append(sample.values.tobytes())
        return sample


Logged = tuple[ControlLoop, ReadingRobot, RunRecorder]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.s2elog"


@pytest.fixture
def logged(path: Path) -> Iterator[Logged]:
    """A loop to be ticked by hand, with a log."""
    robot = ReadingRobot()
    fusion = AttitudeFusion(0.02, BURST)
    policy = Policy(make_model(make_contract()), "first.onnx")
    loop = ControlLoop(policy, robot, fusion, LoopConfig(rules=()), ManualClock())
    with closing(BlockFile(path, 10**7)) as file:
        log = RunRecorder(file, loop, "vqf", every=0.002)
        loop.add_observer(log)
        yield loop, robot, log
        log.close()


def replayed(path: Path) -> ReplayedFusion:
    log = read_run(path)
    assert isinstance(log.config, RunRecord)
    estimator = ReplayedFusion(log.config, log.estimator)
    replay_log(estimator, log)
    return estimator


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


def lost_samples(loop: ControlLoop, robot: ReadingRobot) -> None:
    robot.sequence += 7


def a_pause(loop: ControlLoop, robot: ReadingRobot) -> None:
    robot.dead = True
    for _ in range(4):
        loop.tick()
    robot.dead = False


def not_finite(loop: ControlLoop, robot: ReadingRobot) -> None:
    robot.values["joint_vel"][:] = np.nan
    for _ in range(3):
        loop.tick()
    robot.values["joint_vel"][:] = 0


def a_reset(loop: ControlLoop, robot: ReadingRobot) -> None:
    loop.reset()


def a_reset_in_flight(loop: ControlLoop, robot: ReadingRobot) -> None:
    """Lost until it reads gravity again."""
    up, robot._accel = robot._accel, np.zeros(3, np.float32)
    loop.reset()
    for _ in range(5):
        loop.tick()
    assert loop.fusion.lost
    robot._accel = up


@pytest.mark.parametrize("event", [lost_samples, a_pause, not_finite, a_reset, a_reset_in_flight])
def test_a_replay_gives_the_loops_estimates_to_the_bit(
    logged: Logged, path: Path, event: Callable[[ControlLoop, ReadingRobot], None]
) -> None:
    loop, robot, log = logged
    for begin in (True, False):
        for _ in range(30):
            robot.lean(0.2 * np.sin(0.1 * robot.sequence))
            loop.tick()
        if begin:
            event(loop, robot)
    log.close()
    estimator = replayed(path)
    assert estimator.readings > 55
    assert estimator.verdict() == "as in the loop, to the bit"


@pytest.mark.parametrize(
    ("task", "fusion"), [("HumanoidVelocity", "legged"), ("VehicleTrack", "wheeled")]
)
def test_the_big_filters_are_replayed_to_the_bit_and_judged_by_the_truth(
    path: Path, task: str, fusion: str
) -> None:
    """With samples lost and the estimator reset on the way, and the truth beside."""
    policy = Policy.load(ROOT / "assets" / "policies" / f"{task}.onnx")
    simulated = SimulatedRobot(find_task(task), seed=1, truth=True)
    robot = LockstepRobot(simulated)
    estimator = find_fusion(fusion, policy.contract, robot.description)
    loop = ControlLoop(policy, robot, estimator, LoopConfig(rules=()))
    truth = []
    with closing(BlockFile(path, 10**7)) as file:
        log = RunRecorder(file, loop, fusion)
        loop.add_observer(log)
        for tick in range(150):
            truth.append(simulated.env.engine.sensor("true_position")[0].copy())
            simulated.sequence += 3 if tick == 40 else 0
            if tick == 70:
                loop.reset()
            loop.tick()
        log.close()
    assert replayed(path).verdict() == "as in the loop, to the bit"
    read = read_run(path)
    assert read.reference is not None
    assert read.reference.position == pytest.approx(np.array(truth), abs=1e-4)
    # From the second sample on: the first one's sensors were read a physics step later.
    moved = np.diff(truth[1:], axis=0) / policy.contract.control_period
    velocity = read.reference.velocity[1:]
    assert np.abs(0.5 * (velocity[1:] + velocity[:-1]) - moved).max() < 0.15  # m/s, steps of a foot


def test_a_sensor_that_was_changed_in_the_log_is_noticed(logged: Logged, path: Path) -> None:
    """So the comparison above can fail."""
    loop, _, log = logged
    for _ in range(30):
        loop.tick()
    log.close()
    read = read_run(path)
    reading = read.measurements[10]
    assert isinstance(reading, FusedSample)
    burst = np.array(reading.signals["imu_burst"])
    burst[0, 0] += 1e-4
    changed = reading._replace(signals={**reading.signals, "imu_burst": burst})
    estimator = ReplayedFusion(read.config, "vqf")
    for place, measurement in enumerate(read.measurements):
        estimator.update(changed if place == 10 else measurement)
    assert estimator.differing[0] == reading.stamp
    assert "20 of 30 estimates are not those of the loop, first at 0.22 s" in estimator.verdict()


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


def test_another_policy_is_told_where_it_took_over(logged: Logged, path: Path) -> None:
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


def ticks(loop: ControlLoop, log: RunRecorder, count: int) -> None:
    """Several blocks of ticks."""
    for _ in range(count):
        loop.tick()
        while log.as_dictionary()["rows_lost"]:  # given, and not yet written
            time.sleep(0.001)


def test_a_damaged_block_is_named_and_the_rest_replayed(
    logged: Logged, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _, log = logged
    ticks(loop, log, 20)
    log.close()
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    assert fuse.main(FuseConfig(path, out=path.parent, picture=False)) == 0
    said = capsys.readouterr().out
    assert "are damaged" in said or "is damaged" in said
    assert "1 ticks are missing" in said
    assert "19 readings" in said


def test_a_torn_tail_is_cut_off_and_said(
    logged: Logged, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _, log = logged
    ticks(loop, log, 20)
    log.close()
    path.write_bytes(path.read_bytes()[:-400])
    assert fuse.main(FuseConfig(path, out=path.parent, picture=False)) == 0
    said = capsys.readouterr().out
    assert "torn off" in said
    assert "was cut off: the last moments are missing" in said
    assert "as in the loop, to the bit" in said


def test_what_is_no_log_is_one_line(logged: Logged, path: Path) -> None:
    loop, _, log = logged
    with pytest.raises(UserError, match="holds no sample"):
        read_run(path)
    loop.tick()
    log.close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"sim2edge run log 1", b"sim2edge run log 2"))
    with pytest.raises(UserError, match="without its header"):
        read_run(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        read_run(path)
    with pytest.raises(UserError, match="cannot read"):
        read_run(path.with_name("none.s2elog"))


def test_a_log_of_another_version_says_so(tmp_path: Path) -> None:
    with closing(BlockFile(tmp_path / "a.s2elog", 1000)) as file:
        file.append(0, json.dumps({"format": "sim2edge run log 9"}).encode())
    with pytest.raises(UserError, match="is a 'sim2edge run log 9', this reads a"):
        read_run(file.path)


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


# -- as a user types it ----------------------------------------------------------------------

DRIVER = """
import sys, time
sys.path.insert(0, "{root}")
from tests.edge_runtime.leg import LegRobot

class Paced(LegRobot):
    def read(self):
        due = int(time.monotonic() * 50)
        self.dead, self.sequence = due <= self.sequence, max(self.sequence, due - 1)
        return super().read()
"""
LIMITED = """
import resource, sys
from sim2edge.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(DRIVER.replace("{root}", str(ROOT)))
    (tmp_path / "leg.onnx").write_bytes(make_model(make_contract()))
    return tmp_path


RUN = ("run", "leg.onnx", "--robot", "mine:Paced", "--log", "leg.s2elog", "--report", "out")


def start(folder: Path, *program: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def test_a_killed_run_loses_one_second_at_most(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(folder, "-m", "sim2edge", *RUN, "--seconds", 0)
    assert process.stdout is not None
    assert "until interrupted" in process.stdout.readline()
    log = folder / "leg.s2elog"
    until = time.monotonic() + 60
    while log.stat().st_size < 50_000:  # several blocks
        assert time.monotonic() < until
        time.sleep(0.02)
    killed = time.monotonic_ns()
    process.kill()
    process.communicate()
    record = read_run_log(log)
    assert not record.complete
    assert (killed - record.rows["time"][-1]) * 1e-9 < 1.0
    assert fuse.main(FuseConfig(log, out=folder, picture=False)) == 0
    output = capsys.readouterr().out
    assert "was cut off" in output
    assert "as in the loop, to the bit" in output
    assert "no reference" in output


def test_an_interrupted_run_has_a_whole_log(folder: Path) -> None:
    process = start(folder, "-m", "sim2edge", *RUN, "--seconds", 0)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    code, output, errors = finish(process)
    assert (code, errors) == (0, "")
    report = json.loads((folder / "out" / "report.json").read_text())
    record = read_run_log(folder / "leg.s2elog")
    assert record.complete
    assert f"log: leg.s2elog ({len(record.rows):,} ticks" in output
    assert report["log"]["rows"] == len(record.rows) >= report["ticks"]
    assert (report["log"]["rows_lost"], report["log"]["ended_early"]) == (0, None)
    assert record.rows["mode"][-1] == 1  # until it was damped


def test_a_disk_that_fills_up_ends_the_log_alone(folder: Path) -> None:
    process = start(folder, "-c", LIMITED, 30_000, *RUN, "--seconds", 1.5)
    code, output, errors = finish(process)
    assert (code, errors) == (0, "")
    assert "ended early: File too large" in output
    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["ticks"] > 75
    assert report["log"]["ended_early"] == "File too large"
    assert 0 < report["log"]["rows"] < report["ticks"]
    record = read_run_log(folder / "leg.s2elog")
    assert (len(record.rows), record.damage) == (report["log"]["rows"], ())


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (("--log", "mine.py/x"), "cannot write mine.py/x: File exists; name another file"),
        (("--log", "."), "cannot write .: File exists"),
        (("--log-limit", "0"), "--log-limit is 0 MB; it must be positive"),
        (("--log-limit", "0.001"), "cannot write leg.s2elog: its limit of 0.001 MB is reached"),
    ],
)
def test_a_log_that_cannot_be_written_is_one_line_before_anything_moves(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    log: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the run adds the folder to it
    try:
        assert main([*RUN, *log]) == 2
    finally:
        sys.modules.pop("mine", None)
    output, errors = capsys.readouterr()
    assert errors.count("\n") == 1
    assert said in errors
    assert output == ""
    assert not (folder / "leg.s2elog").exists()


def test_the_simulated_robot_adds_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a run to a table of errors in two commands."""
    policy = ROOT / "assets" / "policies" / "VehicleTrack.onnx"
    command = ("--seconds", 2, "--log", "drive.s2elog", "--report", "out")
    process = start(tmp_path, "-m", "sim2edge", "run", policy, *command)
    code, _, errors = finish(process)
    assert code == 0, errors
    assert not list(segment_path("").parent.glob(f"sim2edge-run-{process.pid}-*"))
    record = read_run_log(tmp_path / "drive.s2elog")
    assert np.abs(record.rows["sensor.true_velocity"][:, 0]).max() > 0.2
    assert record.fusion != "auto"
    log = tmp_path / "drive.s2elog"
    assert fuse.main(FuseConfig(log, out=tmp_path / "fused", picture=False)) == 0
    output = capsys.readouterr().out
    assert "° RMS" in output
    assert "as in the loop, to the bit" in output
    assert (tmp_path / "fused" / f"drive_{record.fusion}.csv").exists()
