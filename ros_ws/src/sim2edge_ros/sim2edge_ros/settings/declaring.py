"""Declares a node's parameters as `parameters` describes them, and refuses what does not fit."""

import dataclasses
import difflib
import math
import sys
import typing
from typing import Any, TypeVar, cast

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from edge_runtime.config.config_file import from_json, in_words
from edge_runtime.config.fields import described, settings_of, shown, types_of
from edge_runtime.errors import UserError
from sim2edge_ros.settings.parameters import NODES, names
from sim2edge_ros.settings.sections import only_for_others

T = TypeVar("T")
_WHERE = "parameters"
# rclpy declares these itself, when they are needed or in another release.
_OF_RCLPY = ("qos_overrides.", "start_type_description_service", "use_sim_time")


def declare(node: Node, kind: type[T]) -> T:
    """Declares all parameters of a node and reads them; later changes are checked likewise.

    Raises:
        UserError: a value has the wrong type or is out of range, or the node has no such parameter.
    """
    # The parameters from files and arguments; rclpy has no public name for them.
    given: dict[str, Parameter] = cast(Any, node)._parameter_overrides
    # A section for all nodes, as '/**:', is for those that have its parameters.
    known = [field.name for field in dataclasses.fields(cast(Any, kind))]
    others = only_for_others(sys.argv, node.get_fully_qualified_name(), known)
    _warn_of_typing_errors(node, others, known)
    config = from_json(kind, _values(g for n, g in given.items() if n not in others), _WHERE)
    for field in dataclasses.fields(cast(Any, kind)):
        descriptor, value = _descriptor(kind, field), getattr(config, field.name)
        node.declare_parameter(field.name, value, descriptor, ignore_override=True)

    def check(parameters: list[Parameter]) -> SetParametersResult:
        try:
            from_json(kind, _values(parameters), _WHERE, read(node, kind))
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    return config


def _warn_of_typing_errors(node: Node, others: typing.Iterable[str], known: list[str]) -> None:
    """Names what a section for all nodes gives to none of ours, and is nearly a parameter here."""
    ours = {name for parameters in NODES for name in names(parameters)}
    for name in sorted(set(others) - ours):
        for close in difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            node.get_logger().warning(
                f"without effect: no node of sim2edge has the parameter '{name}'; did you mean "
                f"'{close}'?"
            )


def read(node: Node, kind: type[T]) -> T:
    """Returns the present parameters of a node that has declared them."""
    names = (field.name for field in dataclasses.fields(cast(Any, kind)))
    return kind(**{name: node.get_parameter(name).value for name in names})


def _values(parameters: typing.Iterable[Parameter]) -> dict[str, Any]:
    return {p.name: p.value for p in parameters if not p.name.startswith(_OF_RCLPY)}


def _descriptor(kind: Any, field: dataclasses.Field[Any]) -> ParameterDescriptor:
    """Describes a parameter for ROS, whose ranges include their ends; words exclude one."""
    declared, hint = settings_of(kind)[field.name], types_of(kind)[field.name]
    choices = in_words(hint) if typing.get_origin(hint) is typing.Literal else ""
    above = f"above {shown(declared.above)}" if declared.above > -math.inf else ""
    words = "; ".join(filter(None, (above, choices, declared.allowed)))
    descriptor = ParameterDescriptor(
        description=described(kind, field), additional_constraints=words
    )
    lower, upper = max(declared.above, declared.at_least), declared.at_most
    if declared.bounds and isinstance(field.default, float):
        span = FloatingPointRange(from_value=float(lower), to_value=float(upper), step=0.0)
        descriptor.floating_point_range = [span]
    elif declared.bounds:
        ends = int(max(lower, -(2**63))), int(min(upper, 2**63 - 1))
        descriptor.integer_range = [IntegerRange(from_value=ends[0], to_value=ends[1], step=0)]
    return descriptor
