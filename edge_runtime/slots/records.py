"""Names what happens to policies, for the audit log and the operator."""

from collections.abc import Callable, Mapping
from typing import Any

from edge_runtime.policy.inference import Policy

CANARY_BEGINS, CANARY_ENDS = "canary begins", "canary ends"
PROMOTED, ROLLED_BACK, PROBATION_ENDS = "promoted", "rolled back", "probation ends"
OPERATOR, CANARY, PROBATION = "operator", "canary", "probation"  # who decided
RUN_ENDED = "the run ended"

Note = Callable[[str, Mapping[str, Any]], None]  # records an event; it never waits


def no_note(event: str, details: Mapping[str, Any]) -> None:
    """Records nothing."""


def change(by: str, driver: Policy, before: Policy, why: str = "") -> dict[str, Any]:
    """Returns the details of a record: who decided that a policy drives in place of another."""
    named = {"policy": named_policy(driver), "in_place_of": named_policy(before)}
    return {"by": by, **named, **({"why": why} if why else {})}


def named_policy(policy: Policy) -> dict[str, str]:
    """Returns what identifies a policy in a record."""
    return {"file": policy.source, "sha256": policy.sha256}
