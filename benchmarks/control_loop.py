"""Measures the control loop's latency against a bare network's, its deadlines, and its policy
swaps.

Another process serves the robot over shared memory, as on a real one.
"""

import dataclasses
import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import numpy as np
import onnxruntime as ort
from figures import Figure, parse_arguments, report

from edge_runtime.estimators import AUTO, find_fusion, find_spare
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.deadline_pace import DeadlinePace
from edge_runtime.loop.pacing import next_release, sleep_until
from edge_runtime.loop.realtime import RealtimeConfig, realtime
from edge_runtime.loop.rehearsal import Rehearsal
from edge_runtime.policy.contract import Contract, to_metadata
from edge_runtime.policy.inference import INPUT, OUTPUT, Policy
from edge_runtime.robot.robot import RobotDescription, Sample
from edge_runtime.robot.shared_memory import RobotServer, SharedMemoryRobot
from edge_runtime.safety.rules import default_rules
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY, Array
from policies.export.onnx_graph import build_model
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.description import describe
from sim.tasks.task import find_robot_task

PERIOD = 5_000_000  # ns: 200 Hz
PUBLISHED = (512, 256, 128)  # hidden layers of published humanoid policies, about 1 MB
SMALL = (256, 128)  # hidden layers of the policies trained here, 0.3 MB
SWAPS = 100
REALTIME = RealtimeConfig(fifo=50, lock_memory=True)
_SPAWN = multiprocessing.get_context("spawn")


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    rounds, seconds = (5, 1.0) if arguments.quick else (21, 1.5)
    figures = [
        *tick_against_bare_run(PUBLISHED, rounds, seconds),
        *tick_against_bare_run(SMALL, rounds, seconds),
        *tick_against_bare_run(SMALL, rounds, seconds, velocity=True),
        beside_a_busy_core(20.0 if arguments.quick else 300.0),
        swaps(5.0 if arguments.quick else 20.0),
    ]
    return report(figures, arguments.json)


def tick_against_bare_run(
    layers: tuple[int, ...], rounds: int, seconds: float, *, velocity: bool = False
) -> list[Figure]:
    """Times a tick of the whole loop, rehearsed as in `sim2edge run`, and `session.run` alone, both
    woken at 200 Hz in turns.

    Args:
        layers: sizes of the hidden layers.
        rounds: number of turns.
        seconds: duration of each turn.
        velocity: whether the policy needs velocity too, so that the legged filter runs in each
            tick, and not only that of attitude.
    """
    model, robot = model_at(PERIOD, layers, velocity=velocity), description()
    session = bare_session(model)
    feed = {INPUT: np.zeros((1, Policy(model).observation.shape[1]), np.float32)}
    ticks, unrehearsed, runs = [], [], []
    # Both run on one core, so that the caches are equally warm for both.
    with served(robot, PERIOD) as border, realtime(dataclasses.replace(REALTIME, cpu=0)):
        loop = make_loop(model, border)
        rehearsal = rehearsal_of(loop)
        for _ in range(rounds):
            runs.append(paced(lambda: session.run([OUTPUT], feed), PERIOD, seconds))
            unrehearsed.append(paced(loop.tick, PERIOD, seconds))
            ticks.append(paced(loop.tick, PERIOD, seconds, rehearsal.wait_until))
    ratios = [np.median(tick) / np.median(run) for tick, run in zip(ticks, runs)]
    tick, run = np.concatenate(ticks), np.concatenate(runs)
    p50, p99 = np.percentile(tick, (50, 99)) / 1e6
    peer50, peer99 = np.percentile(run, (50, 99)) / 1e6
    cold50, cold99 = np.percentile(np.concatenate(unrehearsed), (50, 99)) / 1e6
    what = f"tick of the whole loop at 200 Hz, {len(model) / 1e6:.1f} MB policy"
    what += " and legged estimator" * velocity
    return [
        Figure(
            f"{what}, p50",
            statistics.median(ratios),
            "x session.run",
            2.8 if velocity else 2.2,
            f"{p50:.3f} ms; session.run {peer50:.3f} ms; without rehearsal {cold50:.3f} ms",
            at_least=False,
        ),
        Figure(
            f"{what}, p99",
            p99,
            "ms",
            1.0,
            f"session.run {peer99:.3f} ms; without rehearsal {cold99:.3f} ms",
            at_least=False,
        ),
    ]


def beside_a_busy_core(seconds: float) -> Figure:
    """Counts missed deadlines at 50 Hz in real time, against a loop that does nothing."""
    period = 20_000_000
    stop = _SPAWN.Event()
    empty_missed = _SPAWN.Value("i", 0)
    others = [
        _SPAWN.Process(target=keep_busy, args=(stop,), daemon=True),
        _SPAWN.Process(target=empty_loop, args=(stop, period, empty_missed), daemon=True),
    ]
    with served(description(), period) as border:
        loop = make_loop(model_at(period), border)
        for process in others:
            process.start()
        time.sleep(2.0)  # until the busy processes run
        loop.start(DeadlinePace(loop, rehearsal_of(loop)))
        before = empty_missed.value
        time.sleep(seconds)
        of_empty, of_loop = empty_missed.value - before, loop.budget.missed
        loop.stop()
        loop.join()
        stop.set()
        for process in others:
            process.join()
    return Figure(
        f"missed beyond an empty loop's, {seconds:g} s at 50 Hz, one core busy",
        max(0, of_loop - of_empty),
        "deadlines",
        0,
        f"empty loop missed {of_empty}, this one {of_loop}",
        at_least=False,
    )


def swaps(seconds: float) -> Figure:
    """Counts missed deadlines at 200 Hz while a policy file is loaded and swapped in repeatedly."""
    model, pause, rounds = model_at(PERIOD), seconds / SWAPS, 10
    missed = {False: 0, True: 0}
    with served(description(), PERIOD) as border:
        loop = make_loop(model, border)
        loop.start(DeadlinePace(loop, rehearsal_of(loop)))
        for swapping in (False, True) * rounds:  # in turns, so that both meet the same noise
            before = loop.budget.missed
            for _ in range(SWAPS // rounds):
                started = time.monotonic()
                if swapping:
                    loop.swap(Policy(model))
                time.sleep(max(0.0, pause - (time.monotonic() - started)))
            missed[swapping] += loop.budget.missed - before
        loop.stop()
        loop.join()
    assert loop.swaps == SWAPS
    return Figure(
        f"missed in {SWAPS} swaps at 200 Hz, beyond none",
        max(0, missed[True] - missed[False]),
        "deadlines",
        0,
        f"without swaps {missed[False]}, with {missed[True]}",
        at_least=False,
    )


def humanoid_contract(velocity: bool) -> Contract:
    """Returns a contract for the humanoid, with or without the velocity of its body."""
    contract = TaskVectorEnv(find_robot_task("HumanoidVelocity"), 1, threads=1).contract()
    if velocity:
        return contract
    return dataclasses.replace(
        contract,
        observations=tuple(t for t in contract.observations if t.name != BASE_VELOCITY),
        signals=tuple(s for s in contract.signals if s.name != BASE_VELOCITY),
        estimator_outputs=(ATTITUDE,),
    )


def description() -> RobotDescription:
    """Returns the humanoid's description for the loop."""
    return describe(find_robot_task("HumanoidVelocity"), 4)


def model_at(period: int, layers: tuple[int, ...] = SMALL, *, velocity: bool = False) -> bytes:
    """Returns a policy file for the humanoid with random weights."""
    contract = dataclasses.replace(humanoid_contract(velocity), control_period=period * 1e-9)
    return policy_bytes(random_network(contract, layers), contract)


def random_network(contract: Contract, layers: tuple[int, ...] = SMALL) -> ActorNetwork:
    """Returns a network of the contract's shape, with small weights."""
    rng = np.random.default_rng(0)
    sizes = (contract.observation_size, *layers, len(contract.actuators))
    weights = tuple(
        (0.1 * rng.standard_normal((after, before)).astype(np.float32) / np.sqrt(before),
         np.zeros(after, np.float32))
        for before, after in pairwise(sizes)
    )  # fmt: skip
    return ActorNetwork(
        np.zeros(sizes[0], np.float32), np.ones(sizes[0], np.float32), weights, "Elu"
    )


def policy_bytes(network: ActorNetwork, contract: Contract) -> bytes:
    """Returns a policy file with golden vectors."""
    rng = np.random.default_rng(1)
    golden: Array = rng.standard_normal((4, contract.observation_size), np.float32)
    session = bare_session(build_model(network, to_metadata(contract)))
    actions = [np.asarray(session.run([OUTPUT], {INPUT: row[None]})[0])[0] for row in golden]
    contract = dataclasses.replace(
        contract,
        golden_observations=tuple(map(tuple, golden.tolist())),
        golden_actions=tuple(tuple(action.tolist()) for action in actions),
    )
    return build_model(network, to_metadata(contract))


def bare_session(model: bytes) -> ort.InferenceSession:
    """Returns the network alone, configured as the runtime does."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def make_loop(model: bytes, border: SharedMemoryRobot) -> ControlLoop:
    """Returns the whole loop; the guard's rules are checked but never trip, for the robot does not
    move."""
    policy = Policy(model)
    fusion = find_fusion(AUTO, policy.contract, border.description)
    rules = tuple(
        dataclasses.replace(rule, limit=math.inf) for rule in default_rules(policy.contract)
    )
    return ControlLoop(policy, border, fusion, LoopConfig(realtime=REALTIME, rules=rules))


def rehearsal_of(loop: ControlLoop) -> Rehearsal:
    """Returns what rehearses the ticks of a loop, as in `sim2edge run`."""
    fusion = find_spare(AUTO, loop.controller.contract, loop.robot.description)
    assert fusion is not None
    return Rehearsal(loop, fusion)


def paced(
    run: Callable[[], object],
    period: int,
    seconds: float,
    wait_until: Callable[[int], None] = sleep_until,
) -> np.ndarray:
    """Returns the duration in ns of each call, one per period."""
    taken = np.zeros(round(seconds * 1e9 / period))
    release = time.monotonic_ns()
    for index in range(len(taken)):
        release, _ = next_release(release, time.monotonic_ns(), period)
        wait_until(release)
        started = time.perf_counter_ns()
        run()
        taken[index] = time.perf_counter_ns() - started
    return taken


@contextmanager
def served(robot: RobotDescription, period: int) -> Iterator[SharedMemoryRobot]:
    """Serves a robot from another process, with a new sample each period."""
    name = f"benchmark-{time.monotonic_ns()}"
    stop = _SPAWN.Event()
    process = _SPAWN.Process(target=serve_robot, args=(name, robot, period, stop), daemon=True)
    process.start()
    border = SharedMemoryRobot.wait_for(name, 60.0, process.is_alive)
    try:
        yield border
    finally:
        border.close()
        stop.set()
        process.join()


def serve_robot(name: str, robot: RobotDescription, period: int, stop: Event) -> None:
    """Publishes samples of a robot that stands still with a noisy IMU."""
    rng = np.random.default_rng(0)
    sample = np.zeros(robot.sample_size, np.float32)
    values = robot.split(sample)
    burst = values["imu_burst"].reshape(-1, 6)
    pixels = [(i.name, rng.integers(0, 256, i.shape).astype(i.dtype)) for i in robot.images]
    sequence = 0
    with realtime(REALTIME), RobotServer(name, robot) as server:
        release = time.monotonic_ns()
        while not stop.is_set():
            burst[:] = rng.normal((0, 0, 0, 0, 0, 9.81), 0.01, burst.shape)
            values["imu_gyro"][:] = burst[:, :3].mean(axis=0)
            values["imu_accel"][:] = burst[:, 3:].mean(axis=0)
            for camera, image in pixels:
                server.publish_image(camera, image, release * 1e-9)
            server.publish(Sample(sequence, release * 1e-9, sample))
            server.command()
            sequence += 1
            release, _ = next_release(release, time.monotonic_ns(), period)
            sleep_until(release)


def keep_busy(stop: Event) -> None:
    """Keeps a core busy."""
    while not stop.is_set():
        sum(range(10_000))


def empty_loop(stop: Event, period: int, missed: "Synchronized[int]") -> None:
    """Counts the deadlines that a loop without work misses under the same scheduling."""
    with realtime(REALTIME):
        release = time.monotonic_ns()
        while not stop.is_set():
            release, skipped = next_release(release, time.monotonic_ns(), period)
            missed.value += skipped
            sleep_until(release)


if __name__ == "__main__":
    sys.exit(main())
