"""Writes a trained actor as an ONNX graph, node by node from its weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from edge_runtime.policy.inference import INPUT, OUTPUT
from edge_runtime.signals import Array
from policies.train.actor_critic import AsymmetricActorCritic, Policy
from policies.train.normalizer import CLIP

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime 1.13 of 2022 reads, and every later one
OPERATORS: dict[type[nn.Module], str] = {nn.ELU: "Elu", nn.Tanh: "Tanh", nn.ReLU: "Relu"}


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


def actor_network(policy: Policy, actor_size: int) -> ActorNetwork:
    """Returns the part of a trained policy that runs on a robot."""
    normalizer = policy.normalizer
    prior = limit = None
    if isinstance(policy, AsymmetricActorCritic):
        hidden, head = policy.mlp_extractor.policy_net, policy.action_net
        if policy.features_extractor.prior is not None:
            prior = _array(policy.features_extractor.prior)
    else:
        hidden, head = policy.actor.latent_pi, policy.actor.mu
        limit = np.asarray(policy.action_space.high, np.float32)  # type: ignore[attr-defined]
    linear = [layer for layer in (*hidden, head) if isinstance(layer, nn.Linear)]
    activation = next(OPERATORS[type(m)] for m in hidden if type(m) in OPERATORS)
    return ActorNetwork(
        offset=_array(normalizer.offset[:actor_size]),
        inverse_std=_array(normalizer.inverse_std[:actor_size]),
        layers=tuple((_array(layer.weight), _array(layer.bias)) for layer in linear),
        activation=activation,
        prior=prior,
        limit=limit,
    )


def build_model(network: ActorNetwork, metadata: dict[str, str]) -> bytes:
    """Builds a self-contained file: input `obs` (1, n), output `actions` (1, A), float32."""
    graph = _GraphWriter()
    value = INPUT
    if np.isfinite(network.clip):
        graph.constant("offset", network.offset)
        graph.constant("inverse_std", network.inverse_std)
        graph.constant("lowest", np.float32(-network.clip))
        graph.constant("highest", np.float32(network.clip))
        value = graph.node("Sub", value, "offset")
        value = graph.node("Mul", value, "inverse_std")
        value = graph.node("Clip", value, "lowest", "highest")
    for i, (weight, bias) in enumerate(network.layers):
        if i > 0:
            value = graph.node(network.activation, value)
        graph.constant(f"weight_{i}", weight.T)
        graph.constant(f"bias_{i}", bias)
        value = graph.node("Gemm", value, f"weight_{i}", f"bias_{i}")
    if network.prior is not None:
        graph.constant("prior", network.prior.T)
        value = graph.node("Add", value, graph.node("MatMul", INPUT, "prior"))
    if network.limit is not None:
        graph.constant("limit", network.limit)
        value = graph.node("Mul", graph.node("Tanh", value), "limit")
    graph.node("Identity", value, output=OUTPUT)
    size, actions = len(network.offset), len(network.layers[-1][1])
    return graph.model(size, actions, metadata)


def free_batch(model: bytes) -> bytes:
    """Returns the same policy for any number of rows at once; for evaluation, never written to
    disk."""
    proto = onnx.load_from_string(model)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    freed: bytes = proto.SerializeToString()
    return freed


class _GraphWriter:
    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: Any) -> None:
        array = np.ascontiguousarray(value, np.float32)
        self._constants.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))

    def node(self, operator: str, *inputs: str, output: str = "") -> str:
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name))
        return name

    def model(self, size: int, actions: int, metadata: dict[str, str]) -> bytes:
        def border(name: str, width: int) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])

        graph = helper.make_graph(
            self._nodes,
            "policy",
            [border(INPUT, size)],
            [border(OUTPUT, actions)],
            initializer=self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sim2edge"
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().numpy().copy()
    return array
