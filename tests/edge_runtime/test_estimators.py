import dataclasses
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.errors import ContractError, UserError
from edge_runtime.estimators import ESTIMATORS, find_fusion, find_name
from edge_runtime.extras import install_line
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.fusion.compiled import compiling
from edge_runtime.fusion.legged.fusion import LeggedFusion
from edge_runtime.fusion.wheeled.fusion import WheeledFusion
from edge_runtime.policy.binding import bind
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY, IMU_ACCEL, IMU_BURST, IMU_GYRO, Signal
from sim.tasks import find_task
from sim.tasks.description import describe

POLICIES = Path(__file__).parents[2] / "assets" / "policies"
SUBSTEPS = {"HumanoidVelocity": 4, "VehicleTrack": 8}
VELOCITY = Signal(BASE_VELOCITY, 3, "m/s", "body")


def robot(task: str) -> RobotDescription:
    return describe(find_task(task), SUBSTEPS[task])


def contract(task: str, *needs: str) -> Contract:
    """Returns the committed policy's contract, as if it needed these of an estimator."""
    read = Policy.load(POLICIES / f"{task}.onnx").contract
    known = {signal.name: signal for signal in read.signals}
    signals = tuple({**known, BASE_VELOCITY: VELOCITY}.values())
    return dataclasses.replace(read, signals=signals, estimator_outputs=needs)


@pytest.mark.parametrize(
    ("task", "needs", "expected"),
    [
        ("HumanoidVelocity", ["attitude"], AttitudeFusion),
        ("HumanoidVelocity", ["attitude", "base_velocity"], LeggedFusion),
        ("VehicleTrack", [], AttitudeFusion),
        ("VehicleTrack", ["base_velocity"], WheeledFusion),
        ("VehicleTrack", ["position"], WheeledFusion),
    ],
)
def test_auto_is_the_simplest_that_gives_what_the_policy_needs(
    task: str, needs: list[str], expected: type
) -> None:
    fusion = find_fusion("auto", contract(task, *needs), robot(task))
    assert type(fusion) is expected
    assert set(needs) <= {signal.name for signal in fusion.provides}


def without_estimates(robot: RobotDescription) -> RobotDescription:
    """As a real one, which has no estimates of its own."""
    own = tuple(s for s in robot.signals if s.name not in (ATTITUDE, BASE_VELOCITY))
    return dataclasses.replace(robot, signals=own)


@pytest.mark.parametrize("name", ["vqf", "robot"])
def test_a_policy_that_needs_velocity_does_not_start_without(name: str) -> None:
    needing = contract("HumanoidVelocity", "base_velocity")
    humanoid = without_estimates(robot("HumanoidVelocity"))
    with pytest.raises(ContractError, match=r"needs 'base_velocity' from an estimator.*--fusion"):
        bind(needing, humanoid, find_fusion(name, needing, humanoid))
    bind(needing, humanoid, find_fusion("legged", needing, humanoid))


def test_estimates_of_two_estimators_are_not_mixed() -> None:
    needing, humanoid = contract("HumanoidVelocity", "base_velocity"), robot("HumanoidVelocity")
    bind(needing, humanoid, find_fusion("robot", needing, humanoid))  # all of them its own
    with pytest.raises(ContractError, match="this one gives attitude"):
        bind(needing, humanoid, find_fusion("vqf", needing, humanoid))


def test_a_robot_that_does_not_describe_its_legs_cannot_have_their_estimator() -> None:
    needing = contract("HumanoidVelocity", "base_velocity")
    legless = dataclasses.replace(without_estimates(robot("HumanoidVelocity")), legged=None)
    with pytest.raises(ContractError, match="does not describe its legs"):
        find_fusion("legged", needing, legless)
    with pytest.raises(ContractError, match="needs 'base_velocity' from an estimator"):
        bind(needing, legless, find_fusion("auto", needing, legless))


def without(robot: RobotDescription, *names: str) -> RobotDescription:
    return dataclasses.replace(
        robot,
        signals=tuple(s for s in robot.signals if s.name not in names),
        live=None,
        legged=None,
        wheeled=None,
    )


@pytest.mark.parametrize("imu", [[], [IMU_GYRO], [IMU_ACCEL]])
def test_auto_takes_the_robots_own_estimates_where_no_estimator_fits(imu: list[str]) -> None:
    """The robot may have an IMU with an AHRS, or a motion-capture hall around it."""
    needing, described = contract("HumanoidVelocity", "base_velocity"), robot("HumanoidVelocity")
    own = without(described, IMU_BURST, *imu)
    assert find_name("auto", needing, own) == "robot"
    if IMU_GYRO not in imu:  # which the policy itself reads
        bind(needing, own, find_fusion("auto", needing, own))
    assert find_name("auto", needing, described) == "legged"
    nothing = without_estimates(own)
    with pytest.raises(ContractError, match="--fusion"):
        bind(needing, nothing, find_fusion("auto", needing, nothing))


def test_without_an_imu_an_own_attitude_does() -> None:
    needing, described = contract("HumanoidVelocity", "attitude"), robot("HumanoidVelocity")
    imu = (IMU_BURST, IMU_ACCEL)
    assert find_name("auto", needing, without(described, *imu)) == "robot"
    assert find_name("auto", needing, without(described, IMU_BURST)) == "vqf"


@pytest.mark.parametrize("name", ["wheeled", "wheeled+lidar"])
def test_a_humanoid_has_no_wheels(name: str) -> None:
    with pytest.raises(ContractError, match="does not describe"):
        find_fusion(name, contract("HumanoidVelocity"), robot("HumanoidVelocity"))


def test_an_unknown_estimator_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"'kalman'; there are: auto, .*legged"):
        find_fusion("kalman", contract("VehicleTrack"), robot("VehicleTrack"))


@pytest.mark.parametrize("name", ["vqf", "legged"])
def test_a_burst_holds_whole_readings(name: str) -> None:
    whole = robot("HumanoidVelocity")
    odd = tuple(
        dataclasses.replace(s, size=s.size - 1) if s.name == IMU_BURST else s for s in whole.signals
    )
    with pytest.raises(ContractError, match="whole readings"):
        find_fusion(name, contract("HumanoidVelocity"), dataclasses.replace(whole, signals=odd))


@pytest.mark.parametrize("task", SUBSTEPS)
def test_what_an_estimator_must_know_travels_with_the_description(task: str) -> None:
    described = robot(task)
    assert (described.legged is None) != (described.wheeled is None)
    assert from_json(RobotDescription, to_json(described), "x") == described


def compiled_in_motion(task: str, name: str) -> list[str]:
    """Which functions compile only while the robot moves, in a process that compiled no others."""
    fusion = find_fusion(name, contract(task), robot(task))
    functions = {
        value
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("edge_runtime.fusion")
        for value in vars(module).values()
        if hasattr(value, "nopython_signatures")
    }
    before = {function: len(function.signatures) for function in functions}
    assert sum(before.values()) > 0
    rng = np.random.default_rng(0)
    signals = {s.name: np.zeros((1, s.size), np.float32) for s in fusion.reads}
    for step in range(200):  # anything at all: shocks, flight, contact, NaN, lost samples
        for value in signals.values():
            value[:] = rng.normal(0.0, 10.0 ** rng.uniform(-2, 2), value.shape)
            if rng.random() < 0.05:
                value[:] = np.nan
        fusion.update(signals, periods=1 if step % 20 else 30)
        assert len(fusion.states) == 1  # which recorder and odometry ask for in the same tick
    return sorted(f.__name__ for f in functions if len(f.signatures) > before[f])


@pytest.mark.parametrize(
    ("task", "name"), [("HumanoidVelocity", "legged"), ("VehicleTrack", "wheeled")]
)
def test_nothing_is_left_to_compile_when_the_robot_moves(task: str, name: str) -> None:
    pytest.importorskip("numba", reason="the extra 'fusion' is not installed")
    program = f"from {__name__} import compiled_in_motion as f; print(f({task!r}, {name!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_robot_without_numba_is_warned_what_it_costs() -> None:
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from edge_runtime.fusion.compiled import compiling\n"
        "with compiling('the legged estimator', 3): sum(range(3_000_000))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert "numba is not installed" in done.stderr and install_line("fusion") in done.stderr
    took = re.search(r"takes (\d+\.\d) ms a sample", done.stderr)
    assert took is not None and float(took[1]) > 1.0 and done.stderr.count("\n") == 1


def test_a_long_wait_is_explained(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    numba = pytest.importorskip("numba", reason="the extra 'fusion' is not installed")
    monkeypatch.setattr("edge_runtime.fusion.compiled._PATIENCE", 0.0)
    caplog.set_level("INFO", "edge_runtime")
    with compiling("what is only loaded"):
        time.sleep(0.2)
    assert not caplog.messages
    with compiling("the legged estimator"):
        numba.njit(lambda number: number + 1)(1)
    assert "compiling the legged estimator: once on this machine" in caplog.text


def test_every_choice_tells_what_it_gives() -> None:
    for task, name in (
        ("HumanoidVelocity", "robot"),
        ("HumanoidVelocity", "vqf"),
        ("HumanoidVelocity", "legged"),
        ("VehicleTrack", "wheeled"),
    ):
        fusion = find_fusion(name, contract(task), robot(task))
        assert {signal.name for signal in fusion.provides} == ESTIMATORS.find(name).gives
        fusion.close()
