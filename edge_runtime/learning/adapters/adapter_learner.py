"""Learns adapters: updates low-rank matrices beside the frozen actor from each rollout."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from edge_runtime.experience.layout import Layout
from edge_runtime.experience.layout import Rows as Records
from edge_runtime.learning.adapters.merged_policy import merged_policy
from edge_runtime.learning.adapters.ppo import learner_from_kit
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.tier import Proposal, Rows, Start
from edge_runtime.policy.inference import Policy

_KEPT = 2  # rollouts that wait while a proposal is tried


def adapter_learner(start: Start) -> "AdapterLearner":
    """Makes the tier that learns adapters.

    Raises:
        UserError: it has no learner kit, or the policy cannot be adapted.
    """
    return AdapterLearner(start.model, start.needed_kit("adapter"), start.seed)


class AdapterLearner:
    """Proposes the policy with a changed adapter after each rollout that has changed it.

    While a proposal is tried, rows are collected; they are of either policy, and the
    log-probability of each action says how likely it was under the one that drove. A proposal that
    is refused takes its change of the adapter back.

    Args:
        model: the policy's file.
        kit: its learner kit.
        seed: draws the adapter and the minibatches.

    Raises:
        ContractError: the policy's network is not one that can be adapted.
    """

    name = "adapter"
    needs_signals = False

    def __init__(self, model: bytes, kit: LearnerKit, seed: int) -> None:
        self._kit, self._seed = kit, seed
        self._updates = 0
        self._numbers: dict[str, float] = {}  # of the last update
        self._own: list[str] = []  # SHA-256 of what it has proposed
        self._before = b""  # actor and optimizer before the last update that was proposed
        self._waiting = False
        self._rollout: Records = np.zeros(0, np.dtype([]))
        self._begin(model)

    def take(self, rows: Rows) -> Proposal | None:
        """Collects rows, and learns once they are a rollout and nothing is on trial."""
        records = np.zeros(len(rows.number), self._dtype)
        for name in ("number", "observation", "action", "log_prob", "reward", "flags"):
            records[name] = getattr(rows, name)
        size = self._kit.config.ppo.rollout
        self._rollout = np.concatenate([self._rollout, records])[-_KEPT * size :]
        if self._waiting or len(self._rollout) < size:
            return None
        rollout, self._rollout = self._rollout, self._rollout[:0]
        return self._learn(rollout)

    def judged(self, proposal: Proposal, good: bool, why: str) -> None:
        """Goes on from a proposal that is good, and takes another one back."""
        self._waiting = False
        if not good and self._before:
            state = self._ppo.state_dict()
            self._ppo.load_state_dict(state | _loaded(self._before))
            self._before = b""

    def driver(self, model: bytes) -> None:
        """Begins an adapter of the policy that drives, unless it is this learner's own."""
        sha256 = Policy(model).sha256
        if sha256 != self._base and sha256 not in self._own:
            self._begin(model)

    def progress(self) -> Mapping[str, float | str]:
        """Returns updates, steps, what waits for the next update, and the last one's numbers."""
        known = {"updates": self._updates, "steps": self._ppo.steps, "rows": len(self._rollout)}
        return {**known, **{name: round(value, 5) for name, value in self._numbers.items()}}

    def state(self) -> dict[str, Any]:
        """Returns what a continuation needs."""
        return {
            "model": np.frombuffer(self._model, np.uint8),
            "own": list(self._own),
            "waiting": self._waiting,
            "updates": self._updates,
            "numbers": dict(self._numbers),
            "before": np.frombuffer(self._before, np.uint8),
            "rollout": np.frombuffer(self._rollout.tobytes(), np.uint8),
            "ppo": np.frombuffer(_saved(self._ppo.state_dict()), np.uint8),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self._begin(state["model"].tobytes())
        self._own, self._waiting = list(state["own"]), bool(state["waiting"])
        self._updates, self._numbers = int(state["updates"]), dict(state["numbers"])
        self._before = state["before"].tobytes()
        self._rollout = np.frombuffer(state["rollout"].tobytes(), self._dtype)
        self._ppo.load_state_dict(_loaded(state["ppo"].tobytes()))

    def _begin(self, model: bytes) -> None:
        policy, config = Policy(model), self._kit.config
        contract = policy.contract
        self._model, self._base = model, policy.sha256
        self._own = []
        weights = config.reward.weights
        self._dtype = Layout(
            policy=policy.sha256,
            robot=contract.robot,
            observation=contract.observation_size,
            action=len(contract.actuators),
            reward=tuple(weights),
        ).dtype
        self._ppo = learner_from_kit(self._kit, model, policy.source, self._seed)
        self._rollout = np.zeros(0, self._dtype)
        self._before, self._waiting = b"", False

    def _learn(self, rollout: Records) -> Proposal | None:
        before = _saved({k: v for k, v in self._ppo.state_dict().items() if k.startswith("actor")})
        self._numbers = self._ppo.update(rollout)
        self._updates += 1
        if not self._numbers["passes"]:  # the critic alone has learned
            return None
        self._before, self._waiting = before, True
        model = merged_policy(self._model, self._ppo.actor, "ppo", self._ppo.steps, self._seed)
        self._own.append(Policy(model).sha256)
        drift = self._numbers["drift"]
        why = f"update {self._updates} after {self._ppo.steps} steps, drift {drift:.3g}"
        return Proposal(model, why, dict(self._numbers))


def _saved(state: Mapping[str, Any]) -> bytes:
    content = io.BytesIO()
    torch.save(dict(state), content)
    return content.getvalue()


def _loaded(content: bytes) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    return state
