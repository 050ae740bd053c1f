"""Compares what adapters learn on the robot, and in simulation, with what trims win back."""

import time
from collections.abc import Iterator
from dataclasses import replace

from figures import Figure

from edge_runtime.learning.adapters.merged_policy import merged_policy
from edge_runtime.learning.trimmed_policy import trim_policy
from edge_runtime.learning.trims import trims_to_undo
from edge_runtime.policy.inference import Policy
from on_device.devices import Device, Measured, measure
from on_device.lives import live
from on_device.tiers import adapter_tier, kit_of
from policies.adaptation.rehearsal import Rehearsal, RehearsalConfig
from policies.evaluation.policy_file import PolicyFile


def other_tiers(device: Device, new: Measured, before: Measured, quick: bool) -> Iterator[Figure]:
    """Prints what the other tiers win back on a device; nothing is asked of them."""
    episodes, seeds, minutes = (50, 1, 3.0) if quick else (200, 5, 20.0)
    policy = PolicyFile.committed(device.policy)
    lived = live(device, adapter_tier, seeds, minutes, kit_of(policy))
    ended = [measure(of, device.wear, episodes, device.seconds) for of in lived.policies]
    shares = [of.won_back(new, before) for of in ended]
    yield Figure(
        f"{device.name}, {minutes:g} min, {seeds} seeds: won back by adapters (tier 2), mean",
        sum(shares) / seeds,
        "%",
        peer=f"falls {lived.falls:.3g}, without {lived.falls_without:.3g}",
    )
    steps = 50_000 if quick else 500_000
    began = time.perf_counter()
    rehearsed = measure(_rehearsed(policy, device, steps), device.wear, episodes, device.seconds)
    yield Figure(
        f"{device.name}: won back by a rehearsal of {steps:,} steps (tier 3)",
        rehearsed.won_back(new, before),
        "%",
        peer=f"took {time.perf_counter() - began:.3g} s",
    )


def _rehearsed(policy: PolicyFile, device: Device, steps: int) -> PolicyFile:
    """Returns the policy that a simulation has adapted to a device, trims included."""
    wear = device.wear
    trims = trims_to_undo(policy.contract, wear.gains, wear.offsets)
    model = trim_policy(Policy(policy.model), policy.model, trims) if trims else policy.model
    trimmed = replace(policy, model=model, contract=Policy(model).contract)
    rehearsal = Rehearsal(trimmed, kit_of(policy), wear, RehearsalConfig(steps=steps))
    rehearsal.run()
    adapted = merged_policy(model, rehearsal.actor, "rehearsed ppo", steps)
    return replace(policy, model=adapted, contract=Policy(adapted).contract)
