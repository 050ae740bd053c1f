"""Declares a node's parameters as `parameters` describes them, and refuses what does not fit."""

import dataclasses
from typing import Any, TypeVar, cast

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from edge_runtime.config.fields import about, sentence
from edge_runtime.errors import UserError, suggestion

T = TypeVar("T")
_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
# rclpy declares these itself, when they are needed or in another release.
_OF_RCLPY = ("qos_overrides.", "start_type_description_service", "use_sim_time")


def declare(node: Node, kind: type[T]) -> T:
    """Declares all parameters of a node and reads them.

    Raises:
        UserError: a value has the wrong type or is out of range, or the node has no such parameter.
    """
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cast(Any, kind))
    # The parameters from files and arguments; rclpy has no public name for them.
    given: dict[str, Parameter] = cast(Any, node)._parameter_overrides
    known = [field.name for field in fields]
    for name in given:
        if name not in known and not name.startswith(_OF_RCLPY):
            raise UserError(
                f"{node.get_name()} has no parameter '{name}'; {suggestion(name, known)}"
            )
    for field in fields:
        if isinstance(field.default, float) and field.name in given:
            given[field.name] = _as_float(given[field.name])
    return kind(**{field.name: _declare(node, kind, field) for field in fields})


def _as_float(parameter: Parameter) -> Parameter:
    """Takes a whole number as a float: `rate:=100`."""
    if parameter.type_ != Parameter.Type.INTEGER:
        return parameter
    return Parameter(parameter.name, Parameter.Type.DOUBLE, float(cast(int, parameter.value)))


def _descriptor(kind: Any, field: dataclasses.Field[Any]) -> ParameterDescriptor:
    declared = about(field)
    descriptor = ParameterDescriptor(
        description=sentence(kind, field), additional_constraints=declared.allowed
    )
    lower, upper = declared.at_least, declared.at_most
    if declared.bounds and isinstance(field.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(lower), to_value=float(upper), step=0.0)
        ]
    elif declared.bounds:
        descriptor.integer_range = [
            IntegerRange(from_value=int(lower), to_value=int(upper), step=0)
        ]
    return descriptor


def _declare(node: Node, kind: Any, field: dataclasses.Field[Any]) -> Any:
    declared = about(field)
    allowed = f", which is {declared.bounds}" if declared.bounds else ""
    try:
        return node.declare_parameter(field.name, field.default, _descriptor(kind, field)).value
    except InvalidParameterValueException:
        raise UserError(
            f"parameter '{field.name}' is out of its range{allowed}: {sentence(kind, field)}"
        ) from None
    except (InvalidParameterTypeException, ParameterUninitializedException):
        raise UserError(
            f"parameter '{field.name}' must be {_KINDS[type(field.default)]}{allowed}: "
            f"{sentence(kind, field)}"
        ) from None
