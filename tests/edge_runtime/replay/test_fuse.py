"""`sim2edge fuse`, as a user types it."""

import csv
import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.fusion.measurement import GnssFix, Measurement
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_recorder import RunRecorder
from edge_runtime.replay import fuse, plot
from edge_runtime.replay.fuse import FuseConfig
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.estimator_log import write_estimator_log
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import UnitsConfig
from edge_runtime.replay.replay_log import make_estimator, replay_log
from sim2edge.__main__ import main
from tests.edge_runtime.fusion.drive import CAR, drive
from tests.edge_runtime.fusion.recordings import recordings, turning_log
from tests.edge_runtime.leg import BURST, LegRobot, ManualClock, make_contract, make_model


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "turning.npz"
    write_estimator_log(path, turning_log())
    return path


def sim2edge(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim2edge", "fuse", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_prints_the_errors_and_exports_everything(log: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = sim2edge(log, "-o", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("12.0 s", "estimator 'attitude'", "attitude", "heading", "tilt", "° RMS", "good"):
        assert word in done.stdout
    assert "initialising: the attitude is settling" in done.stdout
    stem = tmp_path / "turning_attitude"
    with np.load(f"{stem}.npz") as estimates:
        assert estimates["attitude"].shape == estimates["true_attitude"].shape == (2400, 4)
        assert estimates["covariance"].shape == (2400, 9, 9)
        assert set(estimates["health"]) <= {"initialising", "degraded", "good"}
        stamps = estimates["stamp"]
    with open(f"{stem}.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2400
    assert float(rows[-1]["stamp"]) == pytest.approx(stamps[-1])
    assert rows[-1]["health"] in ("good", "degraded")
    picture = ElementTree.parse(f"{stem}.svg").getroot()
    assert picture.tag.endswith("svg")
    drawn = Path(f"{stem}.svg").read_text()
    assert "Replay of turning through the attitude estimator" in drawn
    assert drawn.count("time [s]") > 3  # below each panel
    assert "max-width: 100%" in drawn and "prefers-color-scheme: dark" in drawn


@pytest.mark.slow
def test_the_continuous_pose_is_written_and_drawn_beside_the_one_that_jumps(
    tmp_path: Path,
) -> None:
    """A car whose fixes move by 100 m after 20 s, which is believed 5 s later (REP-105)."""
    away = np.array([80.0, -60.0, 0.0])

    def moved(m: Measurement) -> Measurement:
        assert isinstance(m, GnssFix)
        return m._replace(position=m.position + away)

    measurements = drive(30.0).changed(GnssFix, moved, 20.0).measurements
    arrivals = np.array([m.stamp for m in measurements])
    write_estimator_log(
        tmp_path / "car.npz", Log(measurements, arrivals, None, "car", "wheeled", config=CAR)
    )
    assert fuse.main(FuseConfig(tmp_path / "car.npz", out=tmp_path)) == 0
    with open(tmp_path / "car_wheeled.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert names[:5] == ["stamp", *(f"attitude_{axis}" for axis in "wxyz")]
    poses = [f"odometry_attitude_{a}" for a in "wxyz"] + [f"odometry_position_{a}" for a in "xyz"]
    assert names[-9:] == ["health", "reason", *poses]
    corrected, continuous = (
        np.array([[float(row[f"{of}_{axis}"]) for axis in "xy"] for row in rows])
        for of in ("position", "odometry_position")
    )
    steps = [np.linalg.norm(np.diff(of, axis=0), axis=1).max() for of in (corrected, continuous)]
    assert steps[0] > 50.0 and steps[1] < 0.2
    with np.load(tmp_path / "car_wheeled.npz") as written:
        np.testing.assert_allclose(written["odometry_position"][:, :2], continuous, atol=1e-6)
    if importlib.util.find_spec("matplotlib"):
        drawn = (tmp_path / "car_wheeled.svg").read_text()
        assert "odometry, which never jumps" in drawn
        assert drawn.count(f"stroke: {plot._ODOMETRY}") >= 4  # path, two positions, the legend's


def test_the_same_log_gives_the_same_files(log: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        assert fuse.main(FuseConfig(log, out=tmp_path / name)) == 0
    for suffix in ("csv", "svg"):
        one, two = ((tmp_path / n / f"turning_attitude.{suffix}") for n in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_without_matplotlib_there_is_no_picture_but_all_else(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert fuse.main(FuseConfig(log, out=tmp_path)) == 0
    assert "no picture" in capsys.readouterr().out
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".csv", ".json", ".npz"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.npz",), "there is no 'none.npz'"),
        ((__file__,), "text without a table of numbers"),
        ((), "log"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fuse", *arguments]) == 2
    errors = capsys.readouterr().err
    assert said in errors.lower()
    assert errors.count("\n") == 1


def test_an_unfit_estimator_is_one_line(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for estimator, said in (("magic", "unknown estimator"), ("legged", "has no feet")):
        assert main(["fuse", str(log), "--estimator", estimator, "--out", str(tmp_path)]) == 2
        errors = capsys.readouterr().err
        assert said in errors
        assert errors.count("\n") == 1


MINE = """
from edge_runtime.estimators import ESTIMATORS, VQF, Estimator
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter

def quick(measurements):
    assert len(measurements) > 100
    return AttitudeFilter(AttitudeConfig(tau_acc=1.0))

ESTIMATORS.register("quick")(Estimator(VQF.gives, VQF.fits, VQF.make, replay=quick))
ESTIMATORS.register("loop-only")(Estimator(VQF.gives, VQF.fits, VQF.make))
"""


@pytest.mark.slow
def test_an_estimator_of_another_package_replays_a_recording(log: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    words = (log, "-o", "out", "--no-picture", "--import", "mine", "--estimator")
    done = sim2edge(*words, "quick", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "estimator 'quick'" in done.stdout
    assert (tmp_path / "out" / "turning_quick.npz").is_file()
    for name, said in (
        ("loop-only", "replays the log of a run alone; for a recording choose --estimator"),
        ("vqf", "replays the log of a run alone; for a recording choose --estimator attitude"),
        ("qick", "unknown estimator 'qick'; did you mean 'quick'?"),
    ):
        done = sim2edge(*words, name, folder=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_estimator_without_health_is_not_called_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot, path = LegRobot(), tmp_path / "run.s2elog"
    fusion, policy = AttitudeFusion(0.02, BURST), Policy(make_model(make_contract()))
    loop = ControlLoop(policy, robot, fusion, LoopConfig(rules=()), ManualClock())
    with closing(BlockFile(path, 10**7)) as file:
        log = RunRecorder(file, loop, "vqf", every=0.002)
        loop.add_observer(log)
        for tick in range(60):
            if tick == 30:  # silent for so long that the attitude is a guess
                robot.sequence += 50
            loop.tick()
        log.close()
    assert fuse.main(FuseConfig(path, "vqf", tmp_path, picture=False)) == 0
    said = capsys.readouterr().out
    assert " health unknown: " in said and " good" not in said
    assert " lost: " in said
    with np.load(tmp_path / "run_vqf.npz") as estimates:
        assert set(estimates["health"]) == {"health unknown", "lost"}
    with pytest.raises(UserError, match="'leg' gives no 'attitude'.*--estimator"):
        fuse.main(FuseConfig(path, "robot", tmp_path, picture=False))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["cassie", "comma2k19"])
def test_public_recordings(folder: str, tmp_path: Path) -> None:
    path = recordings(folder, "*.npz")[0]
    done = sim2edge(path, "--out", tmp_path)
    notes = done.stderr.splitlines()
    assert (done.returncode, [n for n in notes if not n.startswith("compiling ")]) == (0, [])
    assert "velocity" in done.stdout
    endings = sorted(path.suffix for path in tmp_path.iterdir())
    assert endings == [".csv", ".json", ".npz", ".svg"]


def test_a_user_who_waits_for_the_compiler_is_told_which_estimator(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for = []

    @contextmanager
    def compiling(what: str) -> Iterator[None]:
        waited_for.append(what)
        yield

    monkeypatch.setattr(fuse, "COMPILES", True)
    monkeypatch.setattr(fuse, "compiling", compiling)
    assert fuse.main(FuseConfig(log, out=tmp_path, picture=False)) == 0
    assert waited_for == ["the attitude estimator"]


def test_the_legend_of_a_picture_is_below_its_title(log: Path) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    read = read_log(log)
    figure = figures.Figure()
    figure.draw_without_rendering()
    long = dataclasses.replace(read, name="a_recording_with_a_name_that_is_rather_long")
    plot._draw(figure, long, "attitude", replay_log(make_estimator("attitude", read), read), None)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    lowest = min(text.get_window_extent().y0 for text in figure.texts)
    assert legend.get_window_extent().y1 < lowest


@pytest.mark.parametrize(
    ("gyro", "accel", "named"),
    [
        (57.3, 1.0, "as if in deg/s; convert it to rad/s, as --units.gyro deg/s does"),
        (1.0, 1 / 9.81, "convert it to m/s^2, as --units.accel g does"),
    ],
)
def test_another_unit_is_named_with_the_option_that_converts_it(
    gyro: float, accel: float, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    lines = ["time,gx,gy,gz,ax,ay,az"]
    for index in range(3000):
        rates = gyro * rng.normal((0.03, -0.02, 0.01), 2e-3)
        forces = accel * rng.normal((0.0, 0.0, 9.81), 0.02)
        lines.append(",".join(f"{v:.6f}" for v in (0.01 * index, *rates, *forces)))
    (tmp_path / "imu.csv").write_text("\n".join(lines))
    units = UnitsConfig(time="s", gyro="rad/s", accel="m/s^2")
    fuse.main(FuseConfig(tmp_path / "imu.csv", units=units, out=tmp_path))
    assert named in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "/tmp/x/evil",
        "../../x",
        "..",
        "a\x00b",
        "a\nwritten: b",
        "\x1b[2J\x1b]0;x\x07",
        "$x^",
        "ö" * 9999,
    ],
    ids=ascii,
)
def test_what_a_log_calls_itself_stays_in_the_folder_and_in_its_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    path, out = tmp_path / "in" / "a.npz", tmp_path / "out" / "deep"
    path.parent.mkdir()
    write_estimator_log(path, dataclasses.replace(turning_log(3.0), name=name))
    assert fuse.main(FuseConfig(path, out=out)) == 0
    said = capsys.readouterr().out
    assert all(c == "\n" or c.isprintable() for c in said)
    assert sum(line.startswith("written:") for line in said.splitlines()) == 1
    assert len(list(out.iterdir())) == 4
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == {path, *out.iterdir()}
    ElementTree.parse(next(out.glob("*.svg")))
