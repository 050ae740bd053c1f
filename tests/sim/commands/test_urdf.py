"""`sim2edge urdf`, as a user meets it."""

from pathlib import Path

import mujoco
import pytest

from sim2edge.__main__ import main
from tests.sim.urdf.mjcf import HINGE, MOTOR, arm, floating

SPHERE = '<geom size="0.1"/>'
BALL = '<joint name="neck" type="ball"/>'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's own MJCF."""
    path = tmp_path / "own.xml"
    body = floating(SPHERE + arm(HINGE))
    path.write_text(f'<mujoco model="own"><worldbody>{body}</worldbody>{MOTOR}</mujoco>')
    return path


def test_writes_and_checks(own: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "own.urdf"
    assert main(["urdf", str(own), "-o", str(output), "--check"]) == 0
    printed = capfd.readouterr()
    assert "own, 3 links, 1 joints that move, 2 kg" in printed.out
    assert "centre of mass" in printed.out and "TOO MUCH" not in printed.out
    assert "pybullet build" not in printed.out + printed.err
    assert output.exists()


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_our_robots_by_name(robot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "robot.urdf"
    assert main(["urdf", robot, "-o", str(output), "--no-visuals", "--no-frames"]) == 0
    printed = capsys.readouterr().out
    assert f"{robot}, " in printed and "warning: armature of joint" in printed
    assert "<visual>" not in output.read_text() and 'name="imu"' not in output.read_text()


def test_a_lean_file_can_be_checked(own: Path, tmp_path: Path) -> None:
    options = ["-o", str(tmp_path / "own.urdf"), "--no-frames", "--capsules", "native", "--check"]
    assert main(["urdf", str(own), *options]) == 0


def test_a_difference_exits_with_1(
    own: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from sim.urdf import urdf_text

    # Text in single precision is what this check is there to catch.
    monkeypatch.setattr(urdf_text, "_number", lambda value: f"{value:.3g}")
    own.write_text(own.read_text().replace("0.1 0.2 0.3", "0.12345 0.2 0.3"))
    assert main(["urdf", str(own), "-o", str(tmp_path / "own.urdf"), "--check"]) == 1
    assert "TOO MUCH" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "unknown robot 'own.xml'; there are: humanoid, vehicle, or give an MJCF file"),
        ("not xml", "MuJoCo cannot read own.xml"),
        ("<mujoco><worldbody/></mujoco>", "the model has no body"),
        (
            '<?xml version="1.0"?><!-- <mujoco> --><robot name="r"/>',
            "own.xml is a URDF already; give",
        ),
        ("<sdf version='1.7'/>", "own.xml is SDF; give the robot's MJCF"),
        ("<html></html>", "own.xml is XML of <html>; give the robot's MJCF"),
        (
            f'<mujoco><worldbody>{floating(arm(HINGE))}<body name="b"><freejoint/>'
            '<geom size="1"/></body></worldbody></mujoco>',
            "name one by --root",
        ),
        (
            f"<mujoco><worldbody>{floating(arm(BALL))}</worldbody></mujoco>",
            "ball joint 'neck'",
        ),
    ],
    ids=["missing", "no XML", "empty", "URDF", "SDF", "HTML", "two", "ball"],
)
def test_a_mistake_is_one_line(
    content: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("own.xml").write_text(content)
    assert main(["urdf", "own.xml"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not Path("robot.urdf").exists()


def test_a_place_that_cannot_be_written_is_one_line(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["urdf", str(own), "-o", str(tmp_path / "file" / "own.urdf")]) == 2
    error = capsys.readouterr().err
    assert "cannot write" in error and error.count("\n") == 1


def test_mujoco_reads_what_is_written(tmp_path: Path) -> None:
    """A third reader: a car has links without mass between, so a plain arm is taken."""
    own = tmp_path / "own.xml"
    own.write_text(f"<mujoco><worldbody>{floating(SPHERE + arm(HINGE))}</worldbody></mujoco>")
    assert main(["urdf", str(own), "-o", str(tmp_path / "own.urdf")]) == 0
    back = mujoco.MjModel.from_xml_path(str(tmp_path / "own.urdf"))
    assert back.joint("shoulder").range == pytest.approx([-1 / 57.29577951, 2 / 57.29577951])
