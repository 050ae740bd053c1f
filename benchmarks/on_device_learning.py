"""Measures what worn robots win back by learning on the job, beside wider training.

The loss is that of the training reward over paired episodes, in which neither learner nor policy
sees more than a robot senses.
"""

import time
from collections.abc import Iterator
from functools import cache

from figures import Figure, parse_arguments, report
from on_device.comparison import other_tiers
from on_device.deadlines import missed_deadlines
from on_device.devices import DEVICES, Device, Measured, measure
from on_device.lives import live
from on_device.tiers import trim_tier
from on_device.wider_training import train_wider

from policies.evaluation.policy_file import PolicyFile
from sim.robots.wear import Wear

EPISODES, SEEDS, MINUTES, LATER = 200, 5, 20.0, 120.0
TRAINING_MINUTES = 6.0  # that a learner kit takes, and no learner more
_LEAST_LOSS, _MOST_LOSS, _SURVIVAL = 15.0, 60.0, 70.0  # %, of a device worth adapting to
_LARGEST_HARM = 2.0  # %, by which a learner may end below its start


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    figures: list[Figure] = []
    for device in DEVICES:
        figures += figures_of(device, arguments.quick)
    figures += missed_deadlines(arguments.quick)
    return report(figures, arguments.json)


def figures_of(device: Device, quick: bool) -> Iterator[Figure]:
    """Lets a device learn, and measures it before and after."""
    episodes, seeds = (50, 2) if quick else (EPISODES, SEEDS)
    minutes = 3.0 if quick else MINUTES
    policy = PolicyFile.committed(device.policy)
    new = measure(policy, Wear(), episodes, device.seconds)
    before = measure(policy, device.wear, episodes, device.seconds)
    yield from loss(device, new, before)
    wider = measure(
        widened(device.policy, 0.2 if quick else TRAINING_MINUTES),
        device.wear,
        episodes,
        device.seconds,
    )
    yield from learned(device, minutes, device.share, (new, before, wider), (seeds, episodes))
    if device.later is not None:
        if not quick:
            yield from learned(device, LATER, device.later, (new, before, wider), (seeds, episodes))
        yield from other_tiers(device, new, before, quick)


@cache
def widened(policy: str, minutes: float) -> PolicyFile:
    """Trains a policy with wider randomization, once."""
    return train_wider(policy, minutes)


def loss(device: Device, new: Measured, before: Measured) -> Iterator[Figure]:
    """Says what a device loses before it adapts."""
    lost = 100.0 * (1 - before.total / new.total)
    where = f"{device.name}: loss before it adapts"
    yield Figure(where, lost, "%", _LEAST_LOSS, f"at most {_MOST_LOSS:g}")
    if lost > _MOST_LOSS:
        yield Figure(f"{where}, too much", lost, "%", _MOST_LOSS, at_least=False)
    yield Figure(f"{device.name}: survival before", 100.0 * before.survival, "%", _SURVIVAL)


def learned(
    device: Device,
    minutes: float,
    target: float,
    measured: tuple[Measured, Measured, Measured],
    size: tuple[int, int],
) -> Iterator[Figure]:
    """Lets learners live for that long, and says what they won back."""
    (new, before, wider), (seeds, episodes) = measured, size
    began = time.process_time()
    lived = live(device, trim_tier, seeds, minutes)
    spent = (time.process_time() - began) / (2 * seeds)
    ended = [measure(policy, device.wear, episodes, device.seconds) for policy in lived.policies]
    shares = [of.won_back(new, before) for of in ended]
    by_training = wider.won_back(new, before)
    when = f"{minutes:g} min" if minutes < 60 else f"{minutes / 60:g} h"
    where = f"{device.name}, {when}, {seeds} seeds"
    yield Figure(
        f"{where}: loss won back, mean",
        sum(shares) / seeds,
        "%",
        target,
        f"wider training {by_training:.3g} %",
    )
    yield Figure(
        f"{where}: ahead of wider training", sum(shares) / seeds - by_training, "points", 0.0
    )
    worst = min(100.0 * (of.total / before.total - 1) for of in ended)
    yield Figure(f"{where}: worst seed against its start", worst, "%", -_LARGEST_HARM)
    survival = 100.0 * min(of.survival for of in ended)
    yield Figure(f"{where}: survival after, worst seed", survival, "%", 100.0 * before.survival)
    yield Figure(
        f"{where}: falls or crashes while it learns, above those without",
        lived.falls - lived.falls_without,
        "",
        1.0 if device.policy.startswith("Humanoid") else 0.0,
        f"without learning {lived.falls_without:.3g}",
        at_least=False,
    )
    yield Figure(f"{where}: first change after", lived.first, "s")
    yield Figure(f"{where}: simulation and learning of a robot, processor time", spent, "s")


if __name__ == "__main__":
    raise SystemExit(main())
