"""The log of `sim2edge run` survives what happens to the run or to the disk."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.recording.run_log_format import read_run_log
from edge_runtime.replay import fuse
from edge_runtime.replay.fuse import FuseConfig
from edge_runtime.robot.shared_memory import segment_path
from sim2edge.__main__ import main
from tests.edge_runtime.leg import make_contract, make_model
from tests.edge_runtime.recording.logged import ROOT

DRIVER = """
import sys
sys.path.insert(0, "{root}")
from tests.edge_runtime.leg import PacedRobot

class Paced(PacedRobot):
    period = 0.02
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        (("--log", "mine.py/x"), "cannot write mine.py/x: Not a directory; name another file"),
        (("--log", "."), ". is a folder; name a file in it"),
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
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])  # the run adds a finder for the folder
    try:
        assert main([*RUN, *log]) == 2
    finally:
        sys.modules.pop("mine", None)
    output, errors = capsys.readouterr()
    assert errors.count("\n") == 1
    assert said in errors
    assert output == ""
    assert not (folder / "leg.s2elog").exists()


@pytest.mark.slow
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
