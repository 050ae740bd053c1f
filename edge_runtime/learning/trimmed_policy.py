"""Writes a trimmed policy into a file of its own, with the network of its parent."""

import dataclasses
from collections.abc import Mapping

import onnx

from edge_runtime.learning.trims import trimmed
from edge_runtime.policy.contract import Contract, to_metadata
from edge_runtime.policy.inference import Policy


def trim_policy(policy: Policy, model: bytes, values: Mapping[str, float]) -> bytes:
    """Returns the file of a trimmed policy: the same network with another contract.

    Args:
        policy: the untrimmed one.
        model: its file.
        values: by the trim's name.

    Raises:
        UserError: see `trimmed`.
    """
    contract = trimmed(policy.contract, values)
    provenance = dataclasses.replace(
        contract.provenance, parent_sha256=policy.sha256, trims=dict(values)
    )
    return with_contract(model, dataclasses.replace(contract, provenance=provenance))


def with_contract(model: bytes, contract: Contract) -> bytes:
    """Returns a policy file with another contract for the same network."""
    loaded = onnx.load_model_from_string(model)
    del loaded.metadata_props[:]
    onnx.helper.set_model_props(loaded, to_metadata(contract))
    content: bytes = loaded.SerializeToString()
    return content
