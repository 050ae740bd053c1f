"""Makes the tiers that a learner is asked for, by name."""

import os
from collections.abc import Callable
from importlib import import_module

from edge_runtime.errors import UserError, suggestion
from edge_runtime.extras import install_line
from edge_runtime.learning.tier import Start, Tier
from edge_runtime.plugins import import_user_module

TRIM, ADAPTER = "trim", "adapter"
_OWN = {  # which come with the extra `learn`, so each is imported where it is asked for
    TRIM: "edge_runtime.learning.process.trim_tier:trim_learner",
    ADAPTER: "edge_runtime.learning.adapters.adapter_learner:adapter_learner",
}
MakeTier = Callable[[Start], Tier]


def make_tier(name: str, start: Start) -> Tier:
    """Makes a tier.

    Args:
        name: 'trim', 'adapter', or MODULE:FACTORY, which gets `start` and returns a `Tier`.
        start: the policy and its kit.

    Raises:
        UserError: there is no such tier, or it lacks a kit or a package.
    """
    try:
        return _find(name)(start)
    except ModuleNotFoundError as error:
        raise UserError(
            f"tier '{name}' needs {error.name}, which is not installed; {install_line('learn')}"
        ) from None


def _find(name: str) -> MakeTier:
    module, _, factory = _OWN.get(name, name if ":" in name else "").partition(":")
    if not module:
        raise UserError(f"there is no tier '{name}'; {suggestion(name, _OWN)}, or MODULE:FACTORY")
    own = name in _OWN
    found = import_module(module) if own else import_user_module(module, os.getcwd())
    make: MakeTier | None = getattr(found, factory, None)
    if make is None:
        raise UserError(f"module '{module}' has no '{factory}', so there is no tier '{name}'")
    return make
