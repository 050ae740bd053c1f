"""Makes the tier that learns trims, from what a learner kit holds."""

from edge_runtime.errors import UserError
from edge_runtime.learning.identify.identified_trims import ScaleByFriction
from edge_runtime.learning.identify.identifier import Identifier
from edge_runtime.learning.tier import Start
from edge_runtime.learning.trim_learner import TrimLearner


def trim_learner(start: Start) -> TrimLearner:
    """Returns the tier.

    Raises:
        UserError: there is no learner kit, or it cannot identify how the robot is worn.
    """
    extra = start.needed_kit("trim").extra
    identifier = Identifier.from_kit(extra)
    if identifier is None:
        raise UserError(
            "this learner kit identifies nothing, so there are no trims to learn; take "
            "--tier adapter, or export the kit again"
        )
    by_friction = ScaleByFriction.from_kit(extra)
    return TrimLearner(start.policy, start.model, identifier, by_friction=by_friction)
