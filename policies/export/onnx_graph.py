"""Writes a trained actor as an ONNX graph, node by node from its weights."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.policy.inference import INPUT, OUTPUT

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime 1.13 of 2022 reads, and every later one


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
