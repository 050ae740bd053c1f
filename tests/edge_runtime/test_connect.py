"""Robots are found by a driver's name, or made by a function of the user's own."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.connect import DRIVERS, DriverRequest, connect, fulfils
from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.robot.robot import Robot
from tests.edge_runtime.leg import LegRobot

ROOT = Path(__file__).parents[2]


def test_a_driver_gets_what_is_requested_and_ends_with_the_block() -> None:
    requests, ended = [], []

    @DRIVERS.register("bench-leg")
    @fulfils("seed", "randomize", "record")
    @contextlib.contextmanager
    def drive(request: DriverRequest) -> Iterator[Robot]:
        requests.append(request)
        try:
            yield LegRobot()
        finally:
            ended.append(request.seed)

    request = DriverRequest("Stand", seed=3, randomize=True, record=Path("motion.npz"))
    with connect("bench-leg", request) as robot:
        assert robot.description.name == "leg"
        assert ended == []
    assert (requests, ended) == ([request], [3])


def test_a_robot_of_a_factory_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_leg_driver.py").write_text(
        "from tests.edge_runtime.leg import LegRobot\n"
        "class Leg(LegRobot):\n"
        "    closed = 0\n"
        "    def close(self): Leg.closed += 1\n"
    )
    monkeypatch.chdir(tmp_path)
    with connect("my_leg_driver:Leg", DriverRequest("Stand")) as robot:
        assert robot.closed == 0  # type: ignore[attr-defined]
    assert robot.closed == 1  # type: ignore[attr-defined]
    with (
        pytest.raises(UserError, match="--seed is for the simulated robot alone"),
        connect("my_leg_driver:Leg", DriverRequest("Stand", seed=1)),
    ):
        pass


@pytest.mark.parametrize(
    "asked", [{"seed": 3}, {"randomize": True}, {"record": Path("motion.npz")}]
)
def test_a_driver_is_not_asked_for_what_it_does_not_fulfil(asked: dict[str, Any]) -> None:
    @DRIVERS.register(f"real-leg-{next(iter(asked))}")
    @contextlib.contextmanager
    def drive(request: DriverRequest) -> Iterator[Robot]:
        yield LegRobot()

    (option,) = asked
    with connect(f"real-leg-{option}", DriverRequest("Stand", truth=True, fifo=3)) as robot:
        assert robot.description.name == "leg"
    with (
        pytest.raises(UserError, match=f"--{option} is for the simulated robot alone"),
        connect(f"real-leg-{option}", DriverRequest("Stand", **asked)),
    ):
        pass


def test_a_driver_that_cannot_connect_is_a_users_error_and_the_blocks_own_errors_are_not() -> None:
    @DRIVERS.register("unplugged-leg")
    @contextlib.contextmanager
    def drive(request: DriverRequest) -> Iterator[Robot]:
        if request.task == "Stand":
            raise ConnectionError("no carrier")
        yield LegRobot()

    with (
        pytest.raises(UserError, match="robot 'unplugged-leg' failed: ConnectionError: no carrier"),
        connect("unplugged-leg", DriverRequest("Stand")),
    ):
        pass
    with pytest.raises(ConnectionError), connect("unplugged-leg", DriverRequest("Walk")):
        raise ConnectionError("of the block")


def test_an_unknown_robot_is_named_with_those_there_are() -> None:
    with (
        pytest.raises(UserError, match=r"unknown robot 'sin'; did you mean 'sim'\?, or give"),
        connect("sin", DriverRequest("Stand")),
    ):
        pass


@pytest.mark.parametrize("absent", ["mujoco", "gymnasium"])
def test_without_the_simulator_one_line_says_what_to_install(absent: str) -> None:
    program = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from edge_runtime.connect import DriverRequest, connect\n"
        "from edge_runtime.errors import UserError\n"
        "try:\n"
        "    with connect('sim', DriverRequest('HumanoidVelocity')): pass\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout.endswith(f"; {install_line('sim')}\n")
    assert done.stdout.count("\n") == 1
