"""Writes an adapted actor into a policy file of its own, with the contract of its parent."""

import dataclasses
import hashlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.policy.contract import Contract, Provenance, to_metadata
from edge_runtime.policy.inference import Policy


def merged_policy(
    parent: bytes, actor: AdaptedActor, algorithm: str, steps: int, seed: int = 0
) -> bytes:
    """Returns a policy file that computes what an adapted actor does.

    Its contract is its parent's but for the actions of the golden vectors and the provenance, which
    names the parent by its SHA-256 and how many steps the robot has learned from.

    Args:
        parent: the content of the policy file that the actor was read from.
        actor: the adapted actor.
        algorithm: how it learned, such as "ppo".
        steps: control steps that it learned from.
        seed: seed of the learner.

    Raises:
        ContractError: the new file does not compute what the adapted actor does.
    """
    contract = Policy(parent).contract
    observations = np.array(contract.golden_observations, np.float32)
    actions = actor.actions(observations)
    contract = dataclasses.replace(
        contract,
        provenance=_provenance(contract, parent, algorithm, steps, seed),
        golden_actions=tuple(tuple(row) for row in actions.astype(float).tolist()),
    )
    model = _with_layers(parent, actor.merged(), contract)
    Policy(model, "the adapted policy")
    return model


def _provenance(
    contract: Contract, parent: bytes, algorithm: str, steps: int, seed: int
) -> Provenance:
    sha256 = hashlib.sha256(parent).hexdigest()
    return dataclasses.replace(
        contract.provenance,
        seed=seed,
        steps=steps,
        algorithm=f"{algorithm} on the robot",
        command=f"adapted from policy {sha256}",
        train_seconds=0.0,
    )


def _with_layers(parent: bytes, network: ActorNetwork, contract: Contract) -> bytes:
    proto = onnx.load_from_string(parent)
    layers = {f"weight_{i}": weight.T for i, (weight, _) in enumerate(network.layers)}
    layers |= {f"bias_{i}": bias for i, (_, bias) in enumerate(network.layers)}
    for constant in proto.graph.initializer:
        if constant.name in layers:
            array = np.ascontiguousarray(layers[constant.name], np.float32)
            constant.CopyFrom(numpy_helper.from_array(array, constant.name))
    helper.set_model_props(proto, to_metadata(contract))
    content: bytes = proto.SerializeToString()
    return content
