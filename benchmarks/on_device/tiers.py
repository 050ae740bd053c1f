"""Makes the tiers that learn, each as a robot would from its kit."""

from pathlib import Path

from edge_runtime.learning.identify.identified_trims import ScaleByFriction
from edge_runtime.learning.identify.identifier import Identifier
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.tier import Tier
from edge_runtime.learning.trim_learner import TrimLearner
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path
from policies.evaluation.policy_file import PolicyFile


def trim_tier(policy: PolicyFile, seed: int) -> Tier:
    """Returns a learner of trims; it draws nothing."""
    untrimmed = Policy(policy.model)
    kit = LearnerKit.load(kit_path(Path(policy.task.name)), untrimmed.sha256)
    identifier = Identifier.from_kit(kit.extra)
    assert identifier is not None
    by_friction = ScaleByFriction.from_kit(kit.extra)
    return TrimLearner(untrimmed, policy.model, identifier, by_friction=by_friction)
