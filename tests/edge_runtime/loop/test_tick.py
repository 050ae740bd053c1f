"""What an observer sees of a tick, and what becomes of one that fails."""

import threading
import time

import numpy as np
import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.deadline_pace import DeadlinePace
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Fault, Reaction
from tests.edge_runtime.leg import BURST, LegRobot, ManualClock, make_contract, make_model


class Copying:
    """Keeps what it is shown, by name."""

    def __init__(self) -> None:
        self.seen: list[dict[str, object]] = []

    def observe(self, tick: Tick) -> None:
        assert tick.sent is not None
        self.seen.append(
            {
                "number": tick.number,
                "began": tick.began,
                "missed": tick.missed,
                "sequence": tick.sequence,
                "stamp": tick.stamp,
                "joint_pos": tick.signals["joint_pos"][0].tolist(),
                "attitude": tick.estimates["attitude"][0].copy(),
                "sizes": [array.size for array in tick.sensed_and_estimated],
                "fused": tick.fused,
                "was_reset": tick.was_reset,
                "lost": tick.lost,
                "states": len(tick.states),
                "policy": tick.policy,
                "observation": tick.observation.copy(),
                "command": tick.command.tolist(),
                "action": tick.action.copy(),
                "observed": tick.observed,
                "drove": tick.drove,
                "reaction": tick.reaction,
                "broken": [rule.fault for rule in tick.broken],
                "stage_times": tick.stage_times,
                "mode": tick.sent.mode,
                "target": tick.sent.target.tolist(),
            }
        )


class Failing:
    def observe(self, tick: Tick) -> None:
        raise ZeroDivisionError("no energy")


class Counting:
    def __init__(self) -> None:
        self.ticks = 0

    def observe(self, tick: Tick) -> None:
        self.ticks += 1


def test_an_observer_sees_the_whole_tick(
    loop: ControlLoop, robot: LegRobot, clock: ManualClock
) -> None:
    observer = Copying()
    loop.add_observer(observer)
    loop.command.put(np.array([0.5, 9.0, 0.0], np.float32))
    robot.values["joint_pos"][0] = 0.25
    loop.tick()
    robot.sequence += 2
    loop.tick(missed=3)
    first, second = observer.seen
    assert (first["number"], first["missed"], first["fused"]) == (0, 0, 1)
    assert (second["number"], second["missed"], second["fused"]) == (1, 3, 3)
    assert (second["sequence"], second["stamp"]) == (4, 0.08)
    assert second["joint_pos"] == [0.25, 0.25, 0.25]
    assert second["attitude"].tolist() == loop.fusion.estimates["attitude"][0].tolist()  # type: ignore[attr-defined]
    assert second["sizes"] == [robot.description.sample_size, 4]
    assert second["command"] == [0.5, np.float32(0.3), 0.0], "within the trained range"
    assert second["policy"] is loop.controller.policy
    assert second["observation"].tobytes() == loop.controller.policy.observation.tobytes()  # type: ignore[attr-defined]
    assert second["action"].tobytes() == loop.controller.last_action.tobytes()  # type: ignore[attr-defined]
    assert (second["observed"], second["drove"], second["lost"]) == (True, True, False)
    assert (second["reaction"], second["mode"]) == (Reaction.NONE, Mode.RUN)
    assert second["target"] == robot.commands[-1].target.tolist()


def test_a_tick_tells_what_was_held_and_what_was_reset(loop: ControlLoop, robot: LegRobot) -> None:
    observer = Copying()
    loop.add_observer(observer)
    loop.tick()
    robot.values["joint_vel"][0, 0] = np.nan
    loop.tick()
    robot.values["joint_vel"][0, 0] = 0
    loop.reset()
    loop.tick()
    assert [s["observed"] for s in observer.seen] == [True, False, True]
    assert [s["drove"] for s in observer.seen] == [True, False, True]
    assert [s["reaction"] for s in observer.seen] == [Reaction.NONE, Reaction.HOLD, Reaction.NONE]
    assert [s["broken"] for s in observer.seen] == [[], [Fault.SENSOR_NOT_FINITE], []]
    assert [s["was_reset"] for s in observer.seen] == [False, False, True]


def test_a_tick_says_how_long_its_stages_took(
    loop: ControlLoop, robot: LegRobot, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the first good sample, when there is but one stage."""
    observer, read, infer = Copying(), robot.read, loop.controller.infer

    def slow_read() -> object:
        clock.now += 300
        return read()

    def slow_infer() -> float:
        clock.now += 7000
        return infer()

    monkeypatch.setattr(robot, "read", slow_read)
    monkeypatch.setattr(loop.controller, "infer", slow_infer)
    loop.add_observer(observer)
    loop.tick()
    assert observer.seen[0]["stage_times"] == (300, 0, 7000, 0)
    loop.remove_observer(observer)
    times: list[tuple[int, ...]] = []

    class Times:
        def observe(self, tick: Tick) -> None:
            times.append(tick.stage_times)

    young = ControlLoop(loop.controller.policy, robot, loop.fusion, loop.config, clock)
    young.add_observer(Times())
    robot.values["joint_pos"][:] = np.nan
    young.tick()
    assert times == [(300, 0, 0, 0)]


def test_before_a_good_sample_nothing_was_sent(loop: ControlLoop, robot: LegRobot) -> None:
    sent: list[object] = []

    class Sent:
        def observe(self, tick: Tick) -> None:
            sent.append(tick.sent)

    loop.add_observer(Sent())
    robot.values["joint_pos"][:] = np.nan
    loop.tick()
    assert sent == [None]


@pytest.mark.parametrize(
    ("fails", "missed", "fused"), [("read", 1, 0), ("infer", 1, 2), ("pace", 0, 0)]
)
def test_the_last_tick_of_a_loop_that_failed_says_what_was_estimated(
    loop: ControlLoop,
    robot: LegRobot,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
    missed: int,
    fused: int,
) -> None:
    observer = Copying()
    loop.add_observer(observer)

    def fail() -> None:
        raise OSError("bus off")

    def pace() -> None:
        loop.tick()
        robot.sequence += 1
        if fails == "pace":
            fail()
        monkeypatch.setattr(robot if fails == "read" else loop.controller, fails, fail)
        loop.tick(missed=1)

    loop.start(pace)
    with pytest.raises(OSError, match="bus off"):
        loop.join(30.0)
    first, last = observer.seen
    assert (last["number"], last["missed"], last["fused"]) == (1, missed, fused)
    changed = last["attitude"].tobytes() != first["attitude"].tobytes()  # type: ignore[attr-defined]
    assert changed is (fused > 0)
    assert (last["reaction"], last["mode"]) == (Reaction.DAMP, Mode.DAMP)
    assert (last["observed"], last["drove"], last["was_reset"]) == (False, False, False)


def test_one_that_fails_is_removed_and_named_and_the_robot_is_driven_on(
    loop: ControlLoop, robot: LegRobot
) -> None:
    before, after = Counting(), Counting()
    for observer in (before, Failing(), after):
        loop.add_observer(observer)
    for _ in range(3):
        assert loop.tick() is Reaction.NONE
    assert loop.observers == (before, after)
    assert (before.ticks, after.ticks, len(robot.commands)) == (3, 3, 3)
    assert loop.observer_failures == ["Failing failed: ZeroDivisionError: no energy"]


def test_observers_come_and_go_while_the_loop_runs() -> None:
    class Endless(LegRobot):
        def write(self, command: object) -> None:
            pass

    contract = make_contract(control_period=0.001)
    loop = ControlLoop(
        Policy(make_model(contract)),
        Endless(),
        AttitudeFusion(0.001, BURST),
        LoopConfig(stop_seconds=0.01, rules=()),
    )
    always = Counting()
    loop.add_observer(always)
    loop.start(DeadlinePace(loop))

    def come_and_go() -> None:
        for _ in range(50):
            guest = Counting()
            loop.add_observer(guest)
            until = time.monotonic() + 30.0
            while guest.ticks < 2 and time.monotonic() < until:
                time.sleep(0.001)
            loop.remove_observer(guest)
            time.sleep(0.002)  # the tick in progress may be its last
            ticks = guest.ticks
            assert ticks >= 2
            finished.append(guest)

    finished: list[Counting] = []
    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    loop.stop()
    assert loop.join(30.0)
    assert len(finished) == 100
    assert loop.observers == (always,)
    assert (always.ticks, loop.observer_failures) == (loop.ticks, [])
