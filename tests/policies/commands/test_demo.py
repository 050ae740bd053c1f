"""The demo says beforehand what it does, and afterwards what the training changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.policy.shipped import shipped_policies
from policies.commands import demo


@pytest.mark.parametrize(("minutes", "learns"), [(15.0, True), (0.0, False)])
def test_it_says_beforehand_what_it_does(
    minutes: float,
    learns: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "_drive", lambda *_: [])
    monkeypatch.setattr(demo, "_train", lambda *_: [])
    assert demo.main(demo.DemoConfig(tmp_path, minutes=minutes)) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "both robots drive for 12 s" in first
    assert ("some 5 minutes" if learns else "some 3 minutes") in first
    assert ("a car learns from scratch in 400,000 steps" in first) == learns


def test_it_trains_by_steps_and_shows_both_policies_with_their_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, ...]] = []

    def run(*arguments: object) -> None:
        words = tuple(map(str, arguments))
        ran.append(words)
        if words[0] == "export":
            Path(words[-1]).write_bytes(shipped_policies()["VehicleTrack"].read_bytes())
        elif words[0] == "eval":
            Path(words[-1]).write_text(json.dumps(measured(survival=0.06 * len(ran))))

    monkeypatch.setattr(demo, "_drive", lambda *_: [])
    monkeypatch.setattr(demo, "_sim2edge", run)
    assert demo.main(demo.DemoConfig(tmp_path)) == 0
    assert [words[0] for words in ran] == ["train", "export", "eval"] * 2 + ["render"]
    assert ran[0][-2:] == ("--steps", "1")
    assert ran[3][3:5] == ("--steps", "400000")
    assert ran[-1][1:3] == (str(tmp_path / "before.onnx"), str(tmp_path / "after.onnx"))
    table = capsys.readouterr().out
    assert "-73.2 (-90 to -40)" in table and "0.3 m/s (0.1 to 0.5)" in table
    assert "18%" in table and "36%" in table


def measured(survival: float) -> dict[str, Any]:
    return {
        "result": {"survival": survival, "laps": 0.1, "speed": 0.3, "return": -73.2},
        "spread": {"mujoco": {"laps": [0.0, 0.2], "speed": [0.1, 0.5], "return": [-90.0, -40.0]}},
    }
