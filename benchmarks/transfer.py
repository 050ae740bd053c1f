"""Measures the committed policies in another engine than the one that trained them.

The same seeded episodes, with noise, randomization and pushes, run in PyBullet and, as the peer, in
MuJoCo.
"""

import sys

from figures import Figure, parse_arguments, report

from policies.evaluation.episodes import make_world, play
from policies.evaluation.policy_file import PolicyFile
from sim.engines.choice import BULLET, MUJOCO

SEED = 7  # of the worlds


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    walkers, cars = (20, 10) if arguments.quick else (200, 100)
    there, here = both("HumanoidVelocity", walkers)
    figures = [
        Figure(
            f"humanoid in PyBullet, {walkers} episodes: survive",
            100.0 * there["survival"],
            "%",
            85.0,
            f"MuJoCo {100 * here['survival']:.3g} %",
        ),
        Figure(
            "humanoid in PyBullet: velocity error",
            there["velocity_error"],
            "m/s",
            0.2,
            f"MuJoCo {here['velocity_error']:.3g} m/s",
            at_least=False,
        ),
    ]
    there, here = both("VehicleTrack", cars)
    figures += [
        Figure(
            f"car in PyBullet, {cars} unseen tracks: lapped",
            100.0 * there["lapped"],
            "%",
            90.0,
            f"MuJoCo {100 * here['lapped']:.3g} %",
        ),
        Figure(
            "car in PyBullet: lap time",
            there["lap_time"],
            "s",
            peer=f"MuJoCo {here['lap_time']:.3g} s",
            at_least=False,
        ),
    ]
    return report(figures, arguments.json)


def both(task: str, episodes: int) -> tuple[dict[str, float], dict[str, float]]:
    """Returns means over the episodes in PyBullet and in MuJoCo."""
    policy = PolicyFile.committed(task)
    means = []
    for engine in (BULLET, MUJOCO):
        env = make_world(policy.task, episodes, None, SEED, engine=engine)
        try:
            means.append(play(env, policy.actor(episodes), SEED).summary())
        finally:
            env.close()
    return means[0], means[1]


if __name__ == "__main__":
    sys.exit(main())
