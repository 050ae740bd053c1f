"""Every command that takes a policy file takes the name of a policy that comes with sim2edge."""

from pathlib import Path

import pytest

from edge_runtime.policy.shipped import shipped_policies
from sim2edge.__main__ import main as sim2edge

SMALL = ("--width", "160", "--height", "120", "--seconds", "0.2")
NAME = "VehicleTrack"
COMMANDS = [
    ("inspect", NAME),
    ("eval", NAME, "--episodes", "1", "--seconds", "0.2"),
    ("eval", NAME, "--suite", "faults", "--trial", "0"),
    ("eval", NAME, "--suite", "gauntlet", "--trial", "0"),
    ("render", NAME, *SMALL),
    ("export", NAME),
    ("run", NAME, "--seconds", "0.5", "--shadow", NAME),
    ("train", NAME, "--initial", NAME, "--steps", "512", "--num-envs", "8"),
]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=[pytest.mark.slow] * (words[0] == "run")) for words in COMMANDS],
    ids=" ".join,
)
def test_a_command_takes_the_name(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code = sim2edge(list(words))
    assert code in (0, 1), capsys.readouterr().err  # 1: a trial was not passed


def test_export_copies_the_file(workplace: Path) -> None:
    assert sim2edge(["export", NAME]) == 0
    assert sim2edge(["export", NAME, "-o", "mine.onnx"]) == 0
    shipped = shipped_policies()[NAME].read_bytes()
    for name in (f"{NAME}.onnx", "mine.onnx"):
        assert (workplace / name).read_bytes() == shipped


@pytest.mark.parametrize("command", ["inspect", "eval", "render", "run", "export"])
def test_an_unknown_name_is_refused_with_those_there_are(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sim2edge([command, "walk"]) == 2
    error = capsys.readouterr().err
    assert "there are: HumanoidVelocity, VehicleTrack" in error
    assert error.count("\n") == 1


def test_the_front_door_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert sim2edge([]) == 0
    assert "HumanoidVelocity, VehicleTrack" in capsys.readouterr().out
