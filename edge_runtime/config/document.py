"""Frozen dataclasses to JSON and back, with an error for whatever does not fit."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from edge_runtime.errors import UserError

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A config as JSON can hold it."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def from_json(kind: type[T], value: Any, where: str) -> T:
    """The config of that class.

    Args:
        kind: a dataclass.
        value: what `to_json` gave.
        where: the value's place, for the error message.

    Raises:
        UserError: a field is unknown or of the wrong type.
    """
    built: T = _build(kind, value, where)
    return built


def _build(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(value, list):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            return tuple(_build(k, v, where) for k, v in zip(kinds, value))
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _build(next(a for a in args if a is not type(None)), value, where)
    if origin is typing.Literal and value in args:
        return value
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {_build(args[0], k, where): _build(args[1], v, where) for k, v in value.items()}
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Any or (isinstance(kind, type) and type(value) is kind):
        return value
    raise UserError(f"{where}: {value!r} is not what belongs there ({kind})")


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected fields, found {value!r}")
    kinds = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind) if f.init}
    unknown = sorted(set(value) - names)
    if unknown:
        raise UserError(
            f"{where}: unknown field '{unknown[0]}'; there are: {', '.join(sorted(names))}"
        )
    return kind(**{k: _build(kinds[k], v, f"{where}.{k}") for k, v in value.items()})
