"""Turns frozen dataclasses into JSON and back."""

import dataclasses
import reprlib
import sys
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from edge_runtime.config.document import read_table
from edge_runtime.config.fields import (
    Setting,
    check_value,
    is_range,
    is_required,
    settings_of,
    types_of,
)
from edge_runtime.errors import UserError, suggestion

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Turns a config into what JSON can hold."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def read_config(kind: type[T], path: Path, what: str, base: T | None = None) -> T:
    """Reads a config from a file, as `from_json` builds it.

    Raises:
        UserError: the file cannot be read, or does not fit.
    """
    return from_json(kind, read_table(path, what), str(path), base)


def from_json(kind: type[T], value: Any, where: str, base: T | None = None) -> T:
    """Builds a config from what a document holds, and checks each value's bounds.

    A number may say its unit, which must be the declared one: { value = 300, unit = "N" }.

    Args:
        kind: a dataclass.
        value: its fields by name, as `to_json` gives them.
        where: the value's place for the error message: a file, or "FILE: TABLE".
        base: what holds for the fields that the document leaves out; by default the defaults.

    Raises:
        UserError: a field is unknown, missing, of the wrong type, out of bounds or in another unit.
    """
    built: T = _build(kind, value, where, base, "")
    return built


def read_value(kind: Any, value: Any, where: str, declared: Setting, base: Any = None) -> Any:
    """Builds the value of one setting, of type `kind`, as `from_json` builds those of a config.

    Raises:
        UserError: it is of the wrong type, out of bounds or in another unit.
    """
    built = _build(kind, value, where, base, declared.unit)
    if not _of_configs(built):  # which were checked when they were built
        check_value(built, declared, where, is_range(kind))
    return built


def _of_configs(value: Any) -> bool:
    """Returns whether a value is a config, or a tuple of configs alone."""
    items = value if isinstance(value, tuple) else (value,)
    return bool(items) and all(map(dataclasses.is_dataclass, items))


def _build(kind: Any, value: Any, where: str, base: Any, unit: str) -> Any:
    if kind is Any and dataclasses.is_dataclass(base):
        kind = type(base)
    is_config, origin, args = _form(kind)
    if is_config:
        return _build_dataclass(kind, value, where, base)
    if unit and origin is not Mapping and isinstance(value, Mapping):
        if set(value) != {"value", "unit"}:
            raise UserError(f'{where} must be a value or {{ value = ..., unit = "{unit}" }}')
        if value["unit"] != unit:
            raise UserError(f"{where} is in '{value['unit']}', but is measured in '{unit}'")
        value = value["value"]
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            if all(type(v) is k for k, v in zip(kinds, value)):  # thousands of a policy's numbers
                return tuple(value)
            places = (_item(where, number, v) for number, v in enumerate(value))
            return tuple(_build(k, v, p, None, "") for k, v, p in zip(kinds, value, places))
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        # First the type that the value has, so that a whole number stays one in `float | int`.
        kinds = sorted((a for a in args if a is not type(None)), key=lambda a: type(value) is not a)
        if len(kinds) == 1:
            return _build(kinds[0], value, where, base, unit)
        for inner in kinds:
            with suppress(UserError):
                return _build(inner, value, where, base, unit)
    if origin is typing.Literal and value in args:
        return value
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {
            _build(args[0], k, where, None, ""): _build(args[1], v, f"{where}.{k}", None, "")
            for k, v in value.items()
        }
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    if kind is float and type(value) is int and abs(value) < sys.float_info.max:
        return float(value)
    if kind is int and type(value) is float and value.is_integer():
        return int(value)
    if kind is Any or (isinstance(kind, type) and type(value) is kind):
        return value
    of_unit = f" in {unit}" if unit not in ("", "1") else ""
    raise UserError(f"{where}: {_shown(value)} is not {in_words(kind)}{of_unit}")


@cache
def _form(kind: Any) -> tuple[bool, Any, tuple[Any, ...]]:
    """Returns whether a type is a config, and its origin and arguments."""
    return dataclasses.is_dataclass(kind), typing.get_origin(kind), typing.get_args(kind)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_shown = _SHORT.repr  # what a forged file holds may be long and deep


def _item(where: str, number: int, value: Any) -> str:
    """Returns the place of an item in a list: things have a name or number, plain values none."""
    return f"{where}[{value.get('name', number)}]" if isinstance(value, Mapping) else where


def _build_dataclass(kind: Any, value: Any, where: str, base: Any) -> Any:
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected fields, found {_shown(value)}")
    kinds, settings = types_of(kind), settings_of(kind)
    known = {f.name: f for f in dataclasses.fields(kind) if f.init}
    built = {}
    for name, item in value.items():
        if name not in known:
            raise UserError(f"{where}: unknown key '{name[:80]}'; {suggestion(name, known)}")
        place = f"{where}.{name}" if ": " in where else f"{where}: {name}"
        before = getattr(base, name, None)
        built[name] = read_value(kinds[name], item, place, settings[name], before)
    if base is not None:
        return dataclasses.replace(base, **built)
    for name, field in known.items():
        if is_required(field) and name not in built:
            raise UserError(f"{where}: '{name}' is missing")
    return kind(**built)


_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    Path: "a path",
}


def in_words(kind: Any) -> str:
    """Says in words what a value of this type is."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if is_range(kind):
        return "a range [low, high]"
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is tuple:
        several = args[-1] is Ellipsis
        return "a list" if several else f"a list of {len(args)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(in_words(a) for a in args if a is not type(None))
    return _WORDS.get(kind, str(kind))
