"""`sim2edge learn` drives a worn robot, and what it learns drives by the end."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import UserError
from edge_runtime.learning.beside.learning import LearningConfig
from edge_runtime.learning.beside.limits import LimitsConfig
from edge_runtime.learning.command import LearnConfig, main
from edge_runtime.policy.inference import Policy

LEG = "tests.edge_runtime.leg:LegRobot"


@pytest.mark.slow
def test_a_worn_knee_is_trimmed_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    device = tmp_path / "knee.toml"
    device.write_text("[gains]\nleft_knee = 0.4\n")
    reports: list[dict[str, Any]] = []
    for run in ("first", "second"):
        config = LearnConfig(
            Path("HumanoidVelocity"),
            device=device,
            minutes=1.5,
            fast=True,
            report=tmp_path / run,
            learning=LearningConfig(tier="trim", limits=LimitsConfig(load=1e9)),
        )
        main(config)
        reports.append(json.loads((tmp_path / run / "report.json").read_text())["learning"])
    (proposal, *_) = reports[0]["proposals"]
    assert proposal["outcome"] == "promoted"
    assert proposal["numbers"]["left_knee.gains"] == pytest.approx(2.5, rel=0.3)
    learned = Policy.load(tmp_path / "first" / "learned.onnx")
    assert learned.sha256 == proposal["sha256"]
    assert reports[0]["return_per_minute"] == reports[1]["return_per_minute"]
    assert [p["sha256"] for p in reports[0]["proposals"]] == [
        p["sha256"] for p in reports[1]["proposals"]
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"robot": "mine:robot", "fast": True}, "--fast is for the simulated robot alone"),
        ({"fast": True, "minutes": 0.0}, "--fast needs an end"),
        (
            {"robot": "tests.edge_runtime.leg:LegRobot", "device": Path("x")},
            "--device is for the simulated robot",
        ),
        ({"device": Path("no.toml"), "fast": True}, "cannot read device no.toml"),
    ],
)
def test_what_cannot_be_is_refused_before_it_drives(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        main(LearnConfig(Path("VehicleTrack"), report=tmp_path, **changes))
