"""Checks whether a policy acts equally in torch, as a file, in the simulator and in the loop."""

import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np
from figures import Figure, parse_arguments, report

from edge_runtime.fusion.no_fusion import NoFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import COMMAND
from policies.commands import train
from policies.evaluation.policy_file import PolicyFile
from policies.export.run_export import export_run, restore_policy, torch_actions
from policies.train.recipes import recipe
from policies.train.run_folder import RunFolder
from sim.envs.vector_env import TaskVectorEnv
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.task import find_robot_task

OBSERVATIONS = 10_000
ROWS = 100
TASKS = ("HumanoidVelocity", "VehicleTrack")


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    iterations, seconds = (1, 4.0) if arguments.quick else (4, 20.0)
    figures = []
    for name in TASKS:
        with tempfile.TemporaryDirectory() as folder:
            run = briefly_trained(name, Path(folder) / "run", iterations)
            figures.append(torch_against_onnx(run))
        figures += loop_against_simulator(name, PolicyFile.committed(name).model, seconds)
    return report(figures, arguments.json)


def briefly_trained(name: str, folder: Path, iterations: int) -> RunFolder:
    """Returns a run whose weights and normalizer have moved a little."""
    config = recipe(name)
    steps = iterations * config.num_envs * config.ppo.horizon
    train.main(dataclasses.replace(config, steps=steps, run_dir=folder))
    return RunFolder(folder)


def torch_against_onnx(run: RunFolder) -> Figure:
    """Compares the exported file with the torch policy on observations recorded under
    the policy."""
    policy, checkpoint, config = Policy(export_run(run)), run.load(), run.config
    torch_policy = restore_policy(checkpoint, config, policy.observation.shape[1])
    env = TaskVectorEnv(config.task, ROWS, seed=1)
    observation, _ = env.reset(seed=1)
    difference, peer = 0.0, 0.0
    for _ in range(OBSERVATIONS // ROWS):
        everything = np.concatenate([observation, env.privileged], axis=1, dtype=np.float32)
        expected = torch_actions(torch_policy, everything)
        loaded = np.concatenate([policy(row[None]).copy() for row in observation])
        difference = max(difference, float(np.abs(loaded - expected).max()))
        one_by_one = [torch_actions(torch_policy, row[None]) for row in everything]
        peer = max(peer, float(np.abs(np.concatenate(one_by_one) - expected).max()))
        observation, *_ = env.step(expected)
    return Figure(
        f"{config.task.name}: ONNX Runtime against torch, {OBSERVATIONS:,} observations",
        difference,
        "units of action",
        target=1e-5,
        peer=f"{peer:.2g} torch row by row against torch in a batch",
        at_least=False,
    )


def loop_against_simulator(name: str, model: bytes, seconds: float) -> list[Figure]:
    """Compares the control loop in lockstep with the simulator's own loop; no noise, no latency."""
    task = dataclasses.replace(find_robot_task(name).nominal(), episode_seconds=2 * seconds)
    env = TaskVectorEnv(task, 1, seed=3, threads=1)
    observation, _ = env.reset(seed=3)
    policy = Policy(model)
    robot = SimulatedRobot(task, seed=3)
    loop = ControlLoop(Policy(model), LockstepRobot(robot), NoFusion(), LoopConfig(rules=()))
    ticks = round(seconds / task.control_period)
    observed = moved = 0
    for _ in range(ticks):
        loop.command.put(robot.env.signals[COMMAND][0].copy())
        action = policy(observation).copy()
        loop.tick()
        observed += loop.controller.policy.observation.tobytes() == observation.tobytes()
        observation, _, terminated, _, _ = env.step(action)
        if terminated.any():  # the simulator restarts here, so the rest counts as different
            break
        moved += same_bits(robot.env, env)
    what = f"{name}: {{}}, {ticks} ticks in lockstep"
    share = "share of ticks that are bit-equal"
    peer = "the simulator's own loop"
    return [
        Figure(what.format("observations"), observed / ticks, share, target=1.0, peer=peer),
        Figure(what.format("trajectory"), moved / ticks, share, target=1.0, peer=peer),
    ]


def same_bits(one: TaskVectorEnv, other: TaskVectorEnv) -> bool:
    """Returns whether both simulations are in the same state."""
    states = ((e.engine.qpos.tobytes(), e.engine.qvel.tobytes()) for e in (one, other))
    return next(states) == next(states)


if __name__ == "__main__":
    sys.exit(main())
