"""The short programs of examples/ do what they say."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.policy.inference import Policy
from sim2edge.__main__ import main as sim2edge

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "assets" / "policies" / "VehicleTrack.onnx"


def program(name: str) -> Callable[..., None]:
    main: Callable[..., None] = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["main"]
    return main


def test_driving(capsys: pytest.CaptureFixture[str]) -> None:
    program("drive")("VehicleTrack", seconds=3.0)
    ticks = int(capsys.readouterr().out.split()[0])
    assert ticks > 20


def test_reading_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, report = tmp_path / "drive.s2elog", tmp_path / "report"
    options = ("--seconds", "1", "--log", str(log), "--report", str(report))
    assert sim2edge(["run", str(SHIPPED), *options, "--fusion", "wheeled"]) == 0
    capsys.readouterr()
    program("read_log")(log)
    shown = capsys.readouterr().out
    assert "VehicleTrack on vehicle, estimator wheeled: " in shown
    assert "velocity is off by 0." in shown


def test_training_with_plain_stable_baselines(tmp_path: Path) -> None:
    program("plain_sb3")(steps=128, num_envs=8, output=tmp_path)
    assert sim2edge(["export", str(tmp_path / "model.zip"), "--task", "VehicleTrack"]) == 0
    assert Policy.load(tmp_path / "model.onnx").contract.task == "VehicleTrack"


def test_training_in_one_file(tmp_path: Path) -> None:
    program("cleanrl_ppo")(iterations=2, num_envs=4, horizon=16, output=tmp_path / "policy.onnx")
    assert Policy.load(tmp_path / "policy.onnx").contract.task == "VehicleTrack"
