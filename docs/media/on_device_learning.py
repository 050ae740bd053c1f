"""Draws the return of worn robots before, while and after they learn, for a page of the docs.

PYTHONPATH=benchmarks python docs/media/on_device_learning.py docs/media/on_device_learning.svg

Each panel is a device of `benchmarks/on_device_learning.py`: the mean of five robots that learn and
of five that do not. A dotted line is a new robot.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from on_device.devices import DEVICES, Device
from on_device.lives import SEED, MakeTier
from on_device.tiers import adapter_tier, kit_of, trim_tier

from policies.adaptation.learning_robots import LearningRobots
from policies.evaluation.policy_file import PolicyFile
from sim.robots.wear import Wear

ROBOTS = 5
LEARNS, STAYS = "#d55e00", "#888888"
PANELS: tuple[tuple[Device, str, MakeTier, float, int], ...] = (
    *((device, "trims", trim_tier, 2.0, 5) for device in DEVICES),
    (DEVICES[2], "adapters", adapter_tier, 20.0, 60),
)  # device, tier, what makes it, minutes, seconds of the moving mean


def main(output: Path) -> None:
    """Writes the picture."""
    figure, grid = plt.subplots(2, 3, figsize=(10.0, 5.2))
    for axes, (device, tier, make, minutes, smooth) in zip(grid.flat, PANELS):
        draw(axes, device, make, minutes, smooth)
        axes.set_title(f"{device.name}: {tier}", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    for axes in grid[:, 0]:
        axes.set_ylabel("training reward per second")
    for axes in grid[1]:
        axes.set_xlabel("minutes of experience")
    lines, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(output)


def draw(axes: plt.Axes, device: Device, make: MakeTier, minutes: float, smooth: int) -> None:
    """Draws a device's panel."""
    policy = PolicyFile.committed(device.policy)
    kit = kit_of(policy) if make is adapter_tier else None
    tiers = [*([make(policy, seed)] for seed in range(ROBOTS)), *([] for _ in range(ROBOTS))]
    robots = LearningRobots(replace(policy.task, wear=device.wear), policy.model, tiers, SEED, kit)
    robots.run(60.0 * minutes)
    lives = robots.lives
    new = LearningRobots(replace(policy.task, wear=Wear()), policy.model, [[]] * ROBOTS, SEED)
    new.run(60.0)
    for name, color, some in (
        ("does not learn", STAYS, lives[ROBOTS:]),
        ("learns", LEARNS, lives[:ROBOTS]),
    ):
        mean = moving_mean([life.rewards for life in some], smooth)
        axes.plot((np.arange(len(mean)) + smooth) / 60.0, mean, color=color, label=name)
    reference = float(np.mean([life.rewards[5:] for life in new.lives]))
    axes.axhline(reference, color="black", linestyle=":", linewidth=1, label="new robot")
    proposed = [time for life in lives for time, _ in life.proposals]
    if proposed and make is trim_tier:
        axes.axvline(min(proposed) / 60.0, color=LEARNS, linewidth=0.8, alpha=0.5)


def moving_mean(rewards: Sequence[Sequence[float]], seconds: int) -> np.ndarray:
    """Returns the mean over robots and the last seconds."""
    mean = np.mean(rewards, axis=0)
    return np.convolve(mean, np.full(seconds, 1.0 / seconds), mode="valid")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
