"""Says in a document how a robot is worn, which a simulation reads as a device to rehearse on."""

from collections.abc import Mapping
from typing import Any

from edge_runtime.learning.identify.identifier import GAINS, OFFSET, Identified, kind_of

DEVICE = "device"  # the document's name in a learner's progress


def device_document(found: Identified, trims: Mapping[str, float], sigmas: float) -> dict[str, Any]:
    """Returns a robot's wear, as 'sim2edge rehearse' and 'sim2edge learn --device' read it.

    Args:
        found: what was identified while a trimmed policy drove.
        trims: what undoes what had been identified before.
        sigmas: standard errors by which a number must differ from a new robot's.
    """
    left = found.significant(sigmas)
    gains, offsets, others = dict[str, float](), dict[str, float](), dict[str, float]()
    for name in dict.fromkeys((*left, *trims)):
        joint, _, kind = name.rpartition(".")
        if kind == GAINS:
            gains[joint] = round(left.get(name, 1.0) / trims.get(name, 1.0), 4)
        elif kind == OFFSET:
            offsets[joint] = round(left.get(name, 0.0) + trims.get(name, 0.0), 4)
        elif name in left:
            others[kind_of(name)] = round(max(0.0, left[name]), 4)
    tables = {"gains": gains, "offsets": offsets}
    return {**others, **{name: table for name, table in tables.items() if table}}
