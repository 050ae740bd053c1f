"""Builds a policy file from a network, if ONNX Runtime computes with it what torch does."""

import dataclasses

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.policy.contract import Contract, to_metadata
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array
from policies.export.onnx_graph import build_model
from policies.train.normalizer import normalizer_sha256

GOLDEN_VECTORS = 16
TOLERANCE = 1e-5  # between torch and ONNX Runtime, relative to max(1, |action|)


def checked_model(
    network: ActorNetwork, contract: Contract, observations: Array, expected: Array, source: str
) -> bytes:
    """Returns the policy file of an actor, with golden vectors, if it does what torch does.

    Args:
        network: the actor.
        contract: all but golden vectors and the normalizer's hash.
        observations: raw observations on which to compare, (N, n).
        expected: what torch gives for them, (N, A).
        source: what messages call it.

    Raises:
        UserError: torch and ONNX Runtime disagree.
    """
    some = np.linspace(0, len(observations) - 1, GOLDEN_VECTORS).astype(int)
    hashed = normalizer_sha256(network.offset, network.inverse_std)
    contract = dataclasses.replace(
        contract,
        provenance=dataclasses.replace(contract.provenance, normalizer_sha256=hashed),
        golden_observations=_rows(observations[some]),
        golden_actions=_rows(expected[some]),
    )
    model = build_model(network, to_metadata(contract))
    difference = parity(Policy(model, source), observations, expected)
    if not difference <= TOLERANCE:
        raise UserError(
            f"{source}: torch and ONNX Runtime differ by {difference:.2g}, more than {TOLERANCE:g};"
            " its weights are too large, train anew"
        )
    return model


def parity(policy: Policy, observations: Array, expected: Array) -> float:
    """Returns the largest difference from the expected actions, relative to `max(1, |action|)`."""
    given = np.concatenate([policy(row[None]).copy() for row in observations])
    return float(np.max(np.abs(given - expected) / np.maximum(1.0, np.abs(expected))))


def _rows(array: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in array.astype(float).tolist())
