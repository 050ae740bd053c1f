"""Learns from interventions: what a human or a safety controller did instead of the policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Flag, Rows
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.gradient_steps import minibatches, take_step
from edge_runtime.signals import Array


@dataclass(frozen=True)
class CorrectionConfig:
    """Sets how an adapter learns from corrected rows."""

    minibatch: int = setting(256, "Rows of a gradient step.", above=0)
    epochs: int = setting(20, "Passes over the rows, at most.", at_least=1)
    learning_rate: float = setting(1e-3, "Step size of the adapter.", above=0)
    leash: float = setting(1.0, at_least=0)
    """Weight of the divergence from the policy at the start, where nobody intervened."""
    largest_drift: float = setting(0.5, "Mean of that divergence which ends the passes.", above=0)
    max_grad_norm: float = setting(0.5, "Largest norm of a gradient.", above=0)


class CorrectionLearner:
    """Clones the corrected actions of rows into an adapter, and holds it to the start elsewhere.

    Args:
        actor: the adapted actor, which is changed.
        std: the exploration's standard deviation of each action, (A,), the measure of distances.
        config: how to learn.
        seed: draws the minibatches.
    """

    def __init__(
        self, actor: AdaptedActor, std: Array, config: CorrectionConfig, seed: int = 0
    ) -> None:
        self.actor, self.config = actor, config
        self._std = torch.from_numpy(np.asarray(std, np.float32))
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = torch.optim.Adam(actor.parameters(), config.learning_rate)

    def update(self, rows: Rows) -> dict[str, float]:
        """Learns from the corrected rows among these.

        Returns:
            `error`, the mean distance of the corrected actions from the policy's, in standard
            deviations, before; `error_after`; `drift`, the divergence from the start where nobody
            intervened; and `passes`.

        Raises:
            UserError: none of the rows was corrected.
        """
        corrected = rows["flags"] & Flag.CORRECTED != 0
        if not corrected.any():
            raise UserError("none of the rows is flagged as corrected; learn from those that are")
        observations = torch.from_numpy(rows["observation"].copy())
        actions = torch.from_numpy(rows["action"].copy())
        taught, free = (torch.from_numpy(np.flatnonzero(m)) for m in (corrected, ~corrected))
        before, passes = self._error(observations[taught], actions[taught]), 0
        while passes < self.config.epochs and self._drift(observations[free]) <= (
            self.config.largest_drift
        ):
            self._pass(observations, actions, taught, free)
            passes += 1
        return {
            "error": before,
            "error_after": self._error(observations[taught], actions[taught]),
            "drift": self._drift(observations[free]),
            "passes": passes,
        }

    def _pass(
        self,
        observations: torch.Tensor,
        actions: torch.Tensor,
        taught: torch.Tensor,
        free: torch.Tensor,
    ) -> None:
        """Passes once over the corrected rows, each beside as many of the others."""
        size = self.config.minibatch
        for drawn in minibatches(len(taught), size, self._generator):
            chosen = taught[drawn]
            distance = (self.actor(observations[chosen]) - actions[chosen]) / self._std
            loss = 0.5 * distance.square().sum(dim=1).mean()
            if len(free):
                some = torch.randint(len(free), (len(chosen),), generator=self._generator)
                held = observations[free[some]]
                drift = self.actor.drift(held, self.actor(held), self._std)
                loss = loss + self.config.leash * drift.mean()
            take_step(self._optimizer, loss, self.config.max_grad_norm)

    def _error(self, observations: torch.Tensor, actions: torch.Tensor) -> float:
        with torch.no_grad():
            distance = (self.actor(observations) - actions) / self._std
        return float(distance.square().sum(dim=1).sqrt().mean())

    def _drift(self, observations: torch.Tensor) -> float:
        if not len(observations):
            return 0.0
        with torch.no_grad():
            mean = self.actor(observations)
        return float(self.actor.drift(observations, mean, self._std).mean())

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs, for `torch.save`."""
        return {
            "actor": self.actor.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict` of a learner of the same policy and rank."""
        self.actor.load_state_dict(state["actor"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
