"""Takes the network of a policy file apart, into plain arrays."""

from dataclasses import dataclass

import onnx
from onnx import numpy_helper

from edge_runtime.errors import ContractError
from edge_runtime.signals import Array

ACTIVATIONS = ("Elu", "Tanh", "Relu")  # ONNX operators between two layers
CLIP = 10.0  # of a normalized observation


@dataclass(frozen=True)
class ActorNetwork:
    """Holds what an actor computes, as plain arrays.

    normalized = clip((obs - offset) * inverse_std, ±clip); layers with the activation between
    them; plus prior @ obs; squashed to ±limit by tanh, if there is a limit.
    """

    offset: Array  # (n,)
    inverse_std: Array  # (n,)
    layers: tuple[tuple[Array, Array], ...]  # weight (out, in), bias (out,)
    activation: str  # ONNX operator
    prior: Array | None = None  # (A, n)
    limit: Array | None = None  # (A,)
    clip: float = CLIP  # infinite for an actor without a normalizer, whose offset is 0 and std 1


def read_network(model: bytes, source: str) -> ActorNetwork:
    """Returns the actor of a policy file's content, as `policies.export` writes it.

    Raises:
        ContractError: another program wrote it.
    """
    try:
        graph = onnx.load_from_string(model).graph
        constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
        operators = {node.op_type for node in graph.node}
        count = sum(name.startswith("weight_") for name in constants)
        layers = [(constants[f"weight_{i}"].T, constants[f"bias_{i}"]) for i in range(count)]
        prior = constants.get("prior")
        return ActorNetwork(
            offset=constants["offset"],
            inverse_std=constants["inverse_std"],
            layers=tuple(layers),
            activation=next(name for name in ACTIVATIONS if name in operators),
            prior=None if prior is None else prior.T,
            limit=constants.get("limit"),
            clip=float(constants["highest"]),
        )
    except Exception:  # protobuf's errors share no other base
        raise ContractError(
            f"{source}: its network is not one that 'sim2edge train' exported"
        ) from None
