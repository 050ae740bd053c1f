"""`sim2edge run` and `sim2edge inspect`, as a user types them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.contract import Contract
from edge_runtime.report.run_report import table
from edge_runtime.robot.shared_memory import segment_path
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.description import describe
from sim2edge.__main__ import main
from tests.edge_runtime.leg import make_contract, make_model

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def humanoid() -> Contract:
    return TaskVectorEnv(find_task("HumanoidVelocity"), 1, threads=1).contract()


@pytest.fixture(scope="module")
def policy(humanoid: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy for the humanoid that knows nothing."""
    path = tmp_path_factory.mktemp("policy") / "limp.onnx"
    path.write_bytes(make_model(humanoid))
    # Compiled once on this machine, with a word about it that no test below expects.
    find_fusion("auto", humanoid, describe(find_task("HumanoidVelocity"), 4))
    return path


def sim2edge(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; it must not leave shared memory behind."""
    process = start(*arguments)
    output, errors = process.communicate(timeout=120)
    assert not segments(process)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sim2edge", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        # A shell that runs the tests in the background ignores it, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def segments(process: subprocess.Popen[str]) -> list[Path]:
    return list(segment_path("").parent.glob(f"sim2edge-run-{process.pid}-*"))


def test_drives_the_simulated_robot_and_reports(policy: Path, tmp_path: Path) -> None:
    motion = tmp_path / "motion.npz"
    run = sim2edge(
        "run", policy, "--seconds", 1.5, "--report", tmp_path / "out", "--record", motion
    )
    assert run.stderr == ""
    assert run.returncode in (0, 1)  # it may have fallen over by then
    for word in ("sense", "fuse", "infer", "guard", "act", "tick", "wake-up", "missed"):
        assert word in run.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["robot"] == "humanoid"
    # And coming to rest, if it still stands by then.
    driving, rest = re.findall(r"(\d+) ticks driving, (\d+) more to bring", run.stdout)[0]
    assert int(driving) + int(rest) == report["ticks"]
    assert 60 < report["ticks"] + report["missed"] < 250
    assert report["samples"]["new"] > 60
    assert set(report["latency_us"]) == {
        *("sense", "fuse", "infer", "guard", "act", "tick", "wake-up")
    }
    assert report["realtime"].keys() == {
        *("scheduler", "cpu", "memory", "timer", "garbage", "threads", "rehearsal")
    }
    svg = ElementTree.fromstring((tmp_path / "out" / "latency.svg").read_text())
    assert svg.tag.endswith("svg")
    assert motion.stat().st_size > 1000


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_stops_cleanly_when_interrupted(
    policy: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = start("run", policy, "--seconds", 0, "--report", tmp_path / "out")
    assert process.stdout is not None
    assert "until interrupted" in process.stdout.readline()
    time.sleep(0.5)
    assert segments(process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=120)
    assert not segments(process)
    assert errors == ""
    assert process.returncode in (0, 1)
    assert "report:" in output
    assert json.loads((tmp_path / "out" / "report.json").read_text())["ticks"] > 50


def test_stops_the_loop_when_the_robot_dies(policy: Path, tmp_path: Path) -> None:
    """The simulated robot's process is killed: the guard finds its sensors stale."""
    process = start("run", policy, "--seconds", 4, "--report", tmp_path / "out")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert not segments(process)
    assert (process.returncode, errors) == (1, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert any(rule["fault"] == "stale" and rule["ticks"] for rule in report["rules"])
    assert "seconds without a new sample" in output


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command says in one line, in this process; it leaves no shared memory behind."""
    assert main([str(word) for word in arguments]) == 2
    assert not list(segment_path("").parent.glob(f"sim2edge-run-{os.getpid()}-*"))
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1, errors
    return errors


def test_refuses_in_one_line(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(policy.read_bytes()[:-100])
    stranger = tmp_path / "leg.onnx"
    stranger.write_bytes(make_model(make_contract(task="HumanoidVelocity")))
    levitating = tmp_path / "levitating.onnx"
    levitating.write_bytes(make_model(make_contract(task="Levitate")))
    for arguments, problem in (
        (("run", tmp_path / "none.onnx"), "No such file"),
        (("run", cut), "cut.onnx"),
        (("inspect", cut), "cut.onnx"),
        (("run", stranger), "drives joint 'hip'"),
        (("run", levitating), "robot failed: unknown task 'Levitate'"),
        (("run", policy, "--robot", "toaster"), "unknown robot 'toaster'"),
        (("run", policy, "--fusion", "crystal-ball"), "unknown fusion"),
        (("run", policy, "--command", "1"), "--command has 1 numbers, the policy takes 3"),
        (("run", policy, "--command", "9", "0", "0"), "forward is 9 m/s; it must be from"),
    ):
        assert problem in refused(capsys, *arguments)


def test_a_file_that_cannot_be_written_is_one_line(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything moves."""
    arguments = ("run", policy, "--seconds", 0.2, "--report", tmp_path / "out")
    said = refused(capsys, *arguments, "--record", "/dev/null/motion.npz")
    assert "cannot write /dev/null/motion.npz: Not a directory" in said
    assert not (tmp_path / "out" / "report.json").exists()


def test_inspect_shows_what_a_policy_needs(
    policy: Path, humanoid: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(policy)]) == 0
    shown = capsys.readouterr().out
    for name in (*humanoid.joint_names, "projected_gravity", "HumanoidVelocity", "50 Hz"):
        assert name in shown
    assert main(["inspect", str(policy), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["golden_error"] <= 1e-5
    assert [a["name"] for a in document["actuators"]] == list(humanoid.joint_names)


def test_a_command_within_range_is_taken_and_zeros_by_default() -> None:
    command = make_contract().command_values
    assert command(()).tolist() == [0.0, 0.0, 0.0]
    assert command((0.5, -0.25, 0.0)).tolist() == [0.5, -0.25, 0.0]
    with pytest.raises(UserError, match=r"lateral is 0\.4 m/s; it must be from -0\.3 to 0\.3 m/s"):
        command((0.0, 0.4, 0.0))


DRIVER = """
import sys, time
sys.path.insert(0, "{root}")
from tests.edge_runtime.leg import PacedRobot

class Paced(PacedRobot):
    period = 0.02

class Failing(Paced):
    def write(self, command):
        super().write(command)
        if len(self.commands) > 5:
            raise OSError("bus off")

class Hanging(Paced):
    def write(self, command):
        super().write(command)
        if len(self.commands) > 5:
            print("hangs", flush=True)
            time.sleep(1000)

class Blind(Paced):
    def read(self):
        sample = super().read()
        sample.values[:] = float("nan")
        return sample

class Slipping(Paced):
    def read(self):  # slips once it is driven, however long that took
        self.values["joint_pos"][0, 1] = 90.0 if len(self.commands) > 30 else 0.1
        return super().read()

class InG(Paced):
    def lean(self, angle):
        super().lean(angle)
        self._accel /= 9.81

def forbidden(): raise PermissionError(13, "Permission denied", "/dev/ttyUSB0")
def clumsy(): raise ValueError("port must be 1 to 4")
def slow():
    print("slow", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def leg_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a driver `mine` and a policy for it."""
    (tmp_path / "mine.py").write_text(DRIVER.replace("{root}", str(ROOT)))
    (tmp_path / "leg.onnx").write_bytes(make_model(make_contract()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_policy_in_shadow_is_compared_and_drives_nothing(leg_folder: Path) -> None:
    (leg_folder / "other.onnx").write_bytes(make_model(make_contract(), bias=0.4))
    run = sim2edge(
        *("run", "leg.onnx", "--robot", "mine:Paced", "--seconds", 0.7, "--shadow", "other.onnx")
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "shadow: other.onnx: " in run.stdout
    report = json.loads((leg_folder / "out" / "run" / "report.json").read_text())
    shadow = report["shadow"]
    assert (report["policy"]["file"], report["swaps"], shadow["file"]) == (
        *("leg.onnx", 0),
        "other.onnx",
    )
    assert shadow["ticks"] > 10
    assert shadow["target_difference"]["hip"]["rms"] == pytest.approx(0.1, rel=0.3)


def test_a_policy_that_does_not_fit_is_refused_in_shadow_too(leg_folder: Path) -> None:
    (leg_folder / "slow.onnx").write_bytes(make_model(make_contract(control_period=0.04)))
    run = sim2edge("run", "leg.onnx", "--robot", "mine:Paced", "--shadow", "slow.onnx")
    assert "slow.onnx: its control period is 0.04 s" in one_line(run)


@pytest.mark.slow
def test_the_provider_is_measured_where_that_is_asked_for(leg_folder: Path) -> None:
    run = sim2edge(
        *("run", "leg.onnx", "--robot", "mine:Paced", "--seconds", 0.3),
        *("--provider", "auto", "--provider-cache", "engines"),
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("provider: ")
    report = json.loads((leg_folder / "out" / "run" / "report.json").read_text())
    measured = {m["provider"]: m["p99"] for m in report["inference"]["measured"]}
    assert measured[report["inference"]["provider"]] == min(measured.values()) > 0
    again = sim2edge("run", "--config", "out/run/report.json", "--report", "again")
    assert (again.returncode, again.stderr) == (0, "")
    config = json.loads((leg_folder / "again" / "report.json").read_text())["config"]
    assert config == report["config"] | {"report": "again"}


def one_line(run: subprocess.CompletedProcess[str]) -> str:
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    return run.stderr


def test_a_failing_driver_is_one_line_and_reported(leg_folder: Path) -> None:
    run = sim2edge("run", "leg.onnx", "--robot", "mine:Failing")
    assert "robot 'leg' failed: OSError: bus off" in one_line(run)
    assert "report: " in run.stdout
    report = json.loads((leg_folder / "out" / "run" / "report.json").read_text())
    assert (report["error"]["kind"], report["error"]["message"]) == ("OSError", "bus off")
    assert 'raise OSError("bus off")' in report["error"]["traceback"]
    assert report["ticks"] == 5


def test_an_impossible_reading_is_named_and_stops_the_robot(leg_folder: Path) -> None:
    run = sim2edge("run", "leg.onnx", "--robot", "mine:Slipping", "--seconds", 3)
    assert (run.returncode, run.stderr) == (1, "")
    said = "joint 'knee' is at 90 rad, far outside its range of -1 to 1"
    assert f"samples that cannot be; {said}" in run.stdout
    report = json.loads((leg_folder / "out" / "run" / "report.json").read_text())
    assert report["refused"]["samples"] > 10
    assert report["refused"]["first"] == said
    assert report["latched"] == "stop"


@pytest.mark.slow
def test_a_robot_that_gives_nothing_possible_is_refused_with_the_unit(leg_folder: Path) -> None:
    run = sim2edge("run", "leg.onnx", "--robot", "mine:InG", "--seconds", 0.5)
    assert "robot 'leg' gave no possible sample: it feels 1 m/s^2 on average" in one_line(run)


@pytest.mark.slow
def test_a_hanging_driver_does_not_hang_the_command(leg_folder: Path) -> None:
    started = time.monotonic()
    run = sim2edge("run", "leg.onnx", "--robot", "mine:Hanging", "--seconds", 0.5)
    assert "robot 'leg' did not stop within 4 s: a call of its driver hangs" in one_line(run)
    assert time.monotonic() - started < 60
    assert json.loads((leg_folder / "out" / "run" / "report.json").read_text())["ticks"] == 5


def test_the_third_signal_ends_even_what_hangs(leg_folder: Path) -> None:
    process = start("run", "leg.onnx", "--robot", "mine:Hanging", "--seconds", 0)
    assert process.stdout is not None
    while "hangs" not in process.stdout.readline():
        pass
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    process.communicate(timeout=2.5)  # without waiting for the loop
    assert process.returncode == -signal.SIGTERM


def test_waiting_for_a_robot_can_be_interrupted(leg_folder: Path) -> None:
    process = start("run", "leg.onnx", "--robot", "mine:slow")
    assert process.stdout is not None
    assert process.stdout.readline() == "slow\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "interrupted\n")


def test_a_robot_that_gives_nothing_but_nan_is_named(leg_folder: Path) -> None:
    run = sim2edge("run", "leg.onnx", "--robot", "mine:Blind", "--seconds", 0.3)
    assert "robot 'leg' gave only samples with NaN or infinity" in one_line(run)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--robot", "mine:forbidden"), "robot 'mine:forbidden' failed: PermissionError: "),
        (("--robot", "mine:clumsy"), "robot 'mine:clumsy' failed: ValueError: port must be 1 to 4"),
        (("--robot", "mine:Nobody"), "unknown robot 'mine:Nobody'"),
        (("--robot", "mine"), "unknown robot 'mine'"),
        (("--robot", "nowhere.mine:Leg"), "unknown robot 'nowhere.mine:Leg'"),
        (("--robot", "mine:Paced", "--seed", 3), "--seed is for the simulated robot alone"),
        (("--robot", "mine:Paced", "--randomize"), "--randomize is for the simulated robot alone"),
        (
            ("--robot", "mine:Paced", "--record", "x.npz"),
            "--record is for the simulated robot alone",
        ),
        (("--robot", "mine:Paced", "--seconds", -1), "--seconds is -1 s; it must not be negative"),
        (("--robot", "mine:Paced", "--seconds", "nan"), "--seconds must be a number"),
        (("--robot", "mine:Paced", "--report", "mine.py"), "cannot write to mine.py: "),
        (("--robot", "mine:Paced", "--report", "/dev/null/out"), "cannot write to /dev/null/out"),
    ],
)
def test_refuses_in_one_line_with_the_way_out(
    leg_folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    problem: str,
) -> None:
    finders, modules = list(sys.meta_path), set(sys.modules)
    try:
        assert main(["run", "leg.onnx", *map(str, arguments)]) == 2
    finally:
        sys.meta_path[:] = finders
        for name in set(sys.modules) - modules:
            if name in ("mine", "nowhere"):
                del sys.modules[name]
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert problem in errors
    assert "make room" not in errors
    assert not (leg_folder / "out" / "run" / "report.json").exists()


@pytest.mark.slow
def test_a_users_own_sim_is_not_taken_for_the_simulator(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sim.py").write_text("raise SystemExit('not the simulator')")
    (tmp_path / "mujoco.py").write_text("raise SystemExit('not the physics')")
    monkeypatch.chdir(tmp_path)
    run = sim2edge("run", policy, "--seconds", 0.3)
    assert run.stderr == ""
    assert run.returncode in (0, 1)


def test_the_table_fits_a_terminal_of_80_columns(loop: ControlLoop) -> None:
    for _ in range(3):
        loop.tick()
    loop.ticks = loop.clipped = loop.budget.missed = 9_999_999
    loop.sensors.lost = loop.sensors.without_new = loop.budget.over_share[0] = 999_999
    for stage in loop.budget.stages:
        stage.record(3_000_000_000)
    loop.stop()
    assert max(map(len, table(loop, color=False))) <= 79
