"""A loop in simulated time ticks with samples, and goes on with time where samples cease."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.safety.rules import Reaction
from sim2edge_ros.messages.wake_up import WakeUp
from sim2edge_ros.pacing import sampled_pace
from sim2edge_ros.pacing.sampled_pace import SampledPace
from tests.edge_runtime.leg import BURST, LegRobot, ManualClock, make_contract, make_model


class Woken(WakeUp):
    """A wake-up that counts how often somebody waited for it in vain."""

    looks = 0

    def wait(self, timeout: float = -1.0) -> bool:
        found = super().wait(timeout)
        self.looks += not found
        return found


class World:
    """A loop that samples and time, both given by hand, make tick."""

    def __init__(self) -> None:
        self.clock, self.robot, self.woken = ManualClock(), LegRobot(), Woken()
        contract = make_contract()
        fusion = AttitudeFusion(contract.control_period, BURST)
        config = LoopConfig(stop_seconds=0.06)
        policy = Policy(make_model(contract))
        self.loop = ControlLoop(policy, self.robot, fusion, config, self.clock)
        self.loop.start(SampledPace(self.loop, self.woken, self.clock))

    def passes(self, periods: int = 1) -> None:
        self.clock.now += periods * self.loop.period

    def sample(self) -> None:
        """One that has come, and the tick that it makes."""
        ticks = self.loop.ticks
        self.woken.wake()
        self.until(lambda: self.loop.ticks == ticks + 1)

    @staticmethod
    def until(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 30.0
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.001)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.loop.stop()
    made.loop.join(30.0)


def test_a_tick_a_sample_however_long_it_took(world: World) -> None:
    for _ in range(3):
        world.passes()
        world.sample()
    time.sleep(0.2)  # of the system's time, which does not count
    world.passes()
    world.sample()
    assert world.loop.reaction is Reaction.NONE
    assert world.loop.ticks == 4


def test_time_without_samples_stops_the_robot(world: World) -> None:
    world.sample()
    world.robot.dead = True
    for _ in range(20):
        ticks = world.loop.ticks
        world.passes(2)
        world.until(lambda ticks=ticks: world.loop.ticks > ticks)  # type: ignore[misc]
    assert world.loop.guard.latched is Reaction.STOP


def test_time_that_comes_before_its_sample_makes_no_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock may be received first, and one tick is enough for both."""
    monkeypatch.setattr(sampled_pace, "_LOOK", 0.5)
    world.sample()
    looks = world.woken.looks
    world.passes(2)
    world.until(lambda: world.woken.looks > looks)  # it has seen that time went on
    world.sample()
    world.sample()
    assert world.loop.ticks == 3


def test_it_ends_though_time_stands_still(world: World) -> None:
    world.sample()
    world.loop.stop()
    assert world.loop.join(10.0)


def test_a_policy_is_swapped_between_two_samples(world: World) -> None:
    world.sample()
    other = Policy(make_model(make_contract(), 1))
    threading.Timer(0.05, world.woken.wake).start()
    world.loop.swap(other)
    assert world.loop.controller.policy is other
