"""Learns trims: identifies how the robot is worn, and trims its policy to undo that."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.experience.layout import Flag
from edge_runtime.learning.identify.device import DEVICE, device_document
from edge_runtime.learning.identify.features import Features, Step
from edge_runtime.learning.identify.identified_trims import ScaleByFriction, next_trims, undone
from edge_runtime.learning.identify.identifier import GAINS, Identified, Identifier, kind_of
from edge_runtime.learning.tier import Proposal, Rows
from edge_runtime.learning.trimmed_policy import trim_policy
from edge_runtime.learning.trims import trims_of
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array


@dataclass(frozen=True)
class TrimConfig:
    """Sets when a robot is sure enough of its wear to trim its policy."""

    first_seconds: float = setting(
        20.0, "Experience before the first trims.", "s", at_least=5, at_most=3600
    )
    again_seconds: float = setting(
        60.0, "Experience with a policy before its trims are corrected.", "s", at_least=5
    )
    sigmas: float = setting(
        3.0, "Standard errors by which a number must differ from a new robot's.", at_least=1
    )
    skipped_seconds: float = setting(
        0.5, "Experience that is left out after a start.", "s", at_least=0, at_most=10
    )
    patience: int = setting(
        3, "Proposals in a row that may be rejected before it gives up.", at_least=1
    )
    smallest: float = setting(
        0.03, "Change of an angle, rad, or of a factor's share that is worth a trial.", above=0
    )


class TrimLearner:
    """Proposes a trimmed policy as soon as it is sure how the robot is worn.

    Args:
        policy: the untrimmed one.
        model: its file.
        identifier: estimates the wear; the learner's kit has it.
        config: when it is sure.
        by_friction: how fast to drive on what grip, for a car.
    """

    name = "trim"
    needs_signals = True

    def __init__(
        self,
        policy: Policy,
        model: bytes,
        identifier: Identifier,
        config: TrimConfig = TrimConfig(),
        by_friction: ScaleByFriction | None = None,
    ) -> None:
        self._policy, self._model, self._identifier = policy, model, identifier
        self._config, self._by_friction = config, by_friction
        self._period = policy.contract.control_period
        self._skipped = round(config.skipped_seconds / self._period)  # steps
        self.trims: dict[str, float] = {}  # of the policy that drives
        self._rejected = 0  # proposals in a row
        self._waiting = False  # for what becomes of a proposal
        self.identified: Identified | None = None
        self._seen_with: dict[str, float] = {}  # the trims under which that was identified
        self._begin()

    def take(self, rows: Rows) -> Proposal | None:
        """Sums up what the robot felt, and proposes trims once they are sure."""
        if len(rows.number):
            self._sum_up(rows)
        if self._waiting or self._rejected >= self._config.patience:
            return None
        if self._summed.steps[0] * self._period < self._needed:
            return None
        return self._propose()

    def judged(self, proposal: Proposal, good: bool, why: str) -> None:
        """Goes on after a proposal: from it, if it was good, or else with more experience."""
        self._waiting = False
        self._rejected = 0 if good else self._rejected + 1
        self._needed *= 1.0 if good else 2.0

    def driver(self, model: bytes) -> None:
        """Begins anew with the policy that drives now."""
        trims = self._trims_of(model)
        if trims is not None and trims != self.trims:
            self.trims = trims
            self._begin()

    def progress(self) -> Mapping[str, float | str]:
        """Returns seconds of experience, and what is identified and trimmed, by name."""
        shown: dict[str, float | str] = {"seconds": float(self._summed.steps[0]) * self._period}
        shown |= {f"trim {name}": value for name, value in self.trims.items()}
        if self.identified is not None:
            found = self.identified.significant(self._config.sigmas)
            shown |= {f"identified {name}": value for name, value in found.items()}
            device = device_document(self.identified, self._seen_with, self._config.sigmas)
            shown[DEVICE] = json.dumps(device)
        return shown

    def state(self) -> dict[str, Any]:
        """Returns what a continuation needs."""
        return {
            "trims": dict(self.trims),
            "rejected": self._rejected,
            "needed": self._needed,
            "since": self._since,
            "targets": self._targets,
            "summed": self._summed.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned; a proposal under way is made again."""
        self.trims = dict(state["trims"])
        self._begin()
        self._rejected, self._needed = int(state["rejected"]), float(state["needed"])
        self._since = int(state["since"])
        self._targets[:] = state["targets"]
        self._summed.restore(state["summed"])

    def _begin(self) -> None:
        contract = undone(self._policy.contract, self.trims)
        self._summed = Features(contract, 1)
        # The last two targets, (2, A).
        self._targets: Array = np.zeros((2, len(contract.actuators)), np.float32)
        self._since = 0  # steps since the robot started
        config = self._config
        self._needed = config.again_seconds if self.trims else config.first_seconds

    def _sum_up(self, rows: Rows) -> None:
        """Adds up what was felt, but for the first moments after a start."""
        count, first = len(rows.number), max(2, self._skipped)
        seen = np.zeros(count, bool)
        for t, flags in enumerate(rows.flags.tolist()):
            self._since += 1
            seen[t] = self._since > first  # both targets before it are known then
            if flags & (Flag.END | Flag.CUT):
                self._since = 0
        targets = np.concatenate([self._targets, rows.target])
        self._summed.add(Step(rows.signals, targets[1:-1], targets[:-2]), seen)
        self._targets[:] = targets[-2:]

    def _propose(self) -> Proposal | None:
        found = self.identified = self._identifier.identify(self._summed.values()[0])
        self._seen_with = dict(self.trims)
        contract, sigmas = self._policy.contract, self._config.sigmas
        wanted = next_trims(contract, self.trims, found, sigmas, self._by_friction)
        if not self._is_worth(wanted):
            self._needed = 2 * float(self._summed.steps[0]) * self._period
            return None
        model = trim_policy(self._policy, self._model, wanted)
        self._waiting = True
        changed = {name: v for name, v in wanted.items() if self.trims.get(name) != v}
        why = ", ".join(f"{name} {value:.3g}" for name, value in changed.items())
        return Proposal(model, f"trims {why}", wanted)

    def _is_worth(self, wanted: Mapping[str, float]) -> bool:
        known = trims_of(self._policy.contract)
        changes = []
        for name in {*wanted, *self.trims}:
            neutral = known[name].neutral
            now, before = wanted.get(name, neutral), self.trims.get(name, neutral)
            changes.append(abs(now / before - 1.0) if kind_of(name) == GAINS else abs(now - before))
        return max(changes, default=0.0) > self._config.smallest

    def _trims_of(self, model: bytes) -> dict[str, float] | None:
        """Returns the trims of a policy file; None if it is no trim of this policy."""
        policy = Policy(model)
        if policy.sha256 == self._policy.sha256:
            return {}
        provenance = policy.contract.provenance
        if provenance.parent_sha256 != self._policy.sha256:
            return None
        return dict(provenance.trims)
