"""Committed policies and gauntlets short enough to test."""

from pathlib import Path

from policies.gauntlet.driving.protocol import DrivingGauntlet
from policies.gauntlet.protocol import GauntletProtocol
from policies.gauntlet.walking.protocol import WalkingGauntlet

POLICIES = Path(__file__).parents[2] / "assets" / "policies"


def short_walk(**changes: object) -> GauntletProtocol:
    """A few seconds, on flat ground."""
    fields: dict[str, object] = {
        "physics_period": 0.005,
        "crane_seconds": 0.2,
        "waypoints": 2,
        "distance": (0.9, 1.1),
        "turn": (-0.2, 0.2),
        "tour_seconds": 6.0,
        "slope": 0.0,
        "step": 0.0,
    }
    return GauntletProtocol({"walking": WalkingGauntlet(**{**fields, **changes})})  # type: ignore[arg-type]


def short_drive(**changes: object) -> GauntletProtocol:
    """Part of a lap, with dropouts that come soon."""
    fields: dict[str, object] = {"lap_seconds": 3.0, "dropout_interval": (0.3, 0.6)}
    return GauntletProtocol({"driving": DrivingGauntlet(**{**fields, **changes})})  # type: ignore[arg-type]
