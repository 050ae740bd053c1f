"""Measures the duration of training on this machine's cores, and the policies' performance.

Trains both robots from scratch by their recipes, then evaluates them as `sim2edge eval` does: with
noise, randomization and pushes, on worlds never seen in training. `--quick` evaluates the policies
that come with the package instead, which were trained further for the gauntlet, and prints the time
in their contract.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from estimation.heading import headings
from figures import Figure, parse_arguments, report

from policies.commands import train
from policies.evaluation.episodes import Episodes, make_world, play
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.pure_pursuit import PurePursuit
from policies.train.config import TrainConfig
from policies.train.recipes import recipe

SEED = 7  # of the evaluation
HUMANOID_MINUTES, CAR_MINUTES = 25.0, 20.0


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("HumanoidVelocity", "VehicleTrack"):
            policy = (
                PolicyFile.committed(name)
                if arguments.quick
                else trained(name, Path(folder) / name)
            )
            figures += training_time(policy)
            if name == "HumanoidVelocity":
                figures += walking(policy)
                figures += headings(policy, 3 if arguments.quick else 20)
            else:
                figures += driving(policy)
    return report(figures, arguments.json)


def trained(name: str, folder: Path) -> PolicyFile:
    """Trains a policy from scratch, by its recipe."""
    config: TrainConfig = recipe(name)
    train.main(TrainConfig(**{**vars(config), "run_dir": folder}))
    return PolicyFile.find(folder)


def training_time(policy: PolicyFile) -> list[Figure]:
    """Returns minutes and steps per second; a policy that was trained further has no limit."""
    origin, name = policy.contract.provenance, policy.task.name
    limit = HUMANOID_MINUTES if name == "HumanoidVelocity" else CAR_MINUTES
    minutes, rate = origin.train_seconds / 60, origin.steps / origin.train_seconds
    trained_on = " && " in origin.command
    what = "training, and training on for the gauntlet" if trained_on else "training"
    return [
        Figure(f"{name}: {what}", minutes, "min", None if trained_on else limit, at_least=False),
        Figure(f"{name}: training, all in", rate, f"steps/s on {origin.hardware}"),
    ]


def walking(policy: PolicyFile, episodes: int = 200) -> list[Figure]:
    """Measures survival and velocity errors over 20 s episodes."""
    result = evaluated(policy, episodes, 20.0).summary()
    name = f"{policy.task.name}, {episodes} episodes: "
    return [
        Figure(name + "survive 20 s", result["survival"], "share", target=0.95),
        Figure(name + "velocity error", result["velocity_error"], "m/s", 0.15, at_least=False),
        Figure(name + "yaw rate error", result["yaw_rate_error"], "rad/s", 0.2, at_least=False),
        # The stricter reading, without the mean over a stride, against the same targets.
        Figure(
            name + "velocity error of the moment",
            result["velocity_error_instant"],
            "m/s",
            0.15,
            at_least=False,
        ),
        Figure(
            name + "yaw rate error of the moment",
            result["yaw_rate_error_instant"],
            "rad/s",
            0.2,
            at_least=False,
        ),
    ]


def driving(policy: PolicyFile, episodes: int = 100) -> list[Figure]:
    """Measures laps on unseen tracks, against the driver with perfect knowledge on
    the same ones."""
    mine = evaluated(policy, episodes, policy.task.episode_seconds)
    env = make_world(policy.task, episodes, None, SEED)
    driver = PurePursuit(env)
    peer = play(env, lambda _: driver.act(), SEED)
    both = (mine.metrics["lapped"] > 0) & (peer.metrics["lapped"] > 0)
    times = [np.where(both, e.metrics["lap_time"], np.nan) for e in (mine, peer)]
    ratio = float(np.nanmean(times[0]) / np.nanmean(times[1])) if both.any() else float("nan")
    name = f"{policy.task.name}, {episodes} unseen tracks: "
    return [
        Figure(
            name + "lapped without leaving",
            float(mine.metrics["lapped"].mean()),
            "share",
            target=0.95,
            peer=f"{peer.metrics['lapped'].mean():.3g} pure pursuit",
        ),
        Figure(
            name + "lap time",
            ratio,
            "of pure pursuit's",
            target=1.15,
            peer=f"{np.nanmean(times[1]):.3g} s pure pursuit" if both.any() else "",
            at_least=False,
        ),
    ]


def evaluated(policy: PolicyFile, episodes: int, seconds: float) -> Episodes:
    """Runs one episode in each world."""
    env = make_world(policy.task, episodes, seconds, SEED)
    policy.drive(env)
    return play(env, policy.actor(episodes), SEED)


if __name__ == "__main__":
    sys.exit(main())
