"""Makes the tiers that learn, each as a robot would from its kit."""

from pathlib import Path

from edge_runtime.learning.adapters.adapter_learner import adapter_learner
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.process.trim_tier import trim_learner
from edge_runtime.learning.tier import Start, Tier
from edge_runtime.learning.trim_learner import TrimLearner
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path
from policies.evaluation.policy_file import PolicyFile


def kit_of(policy: PolicyFile) -> LearnerKit:
    """Returns the kit that comes with a committed policy."""
    return LearnerKit.load(kit_path(Path(policy.task.name)), Policy(policy.model).sha256)


def trim_tier(policy: PolicyFile, seed: int) -> TrimLearner:
    """Returns a learner of trims; it draws nothing."""
    return trim_learner(_start(policy, seed))


def adapter_tier(policy: PolicyFile, seed: int) -> Tier:
    """Returns a learner of low-rank adapters."""
    return adapter_learner(_start(policy, seed))


def _start(policy: PolicyFile, seed: int) -> Start:
    return Start(Policy(policy.model), policy.model, kit_of(policy), seed)
