"""Refuses numbers that no simulation can have, naming the option that sets them."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from edge_runtime.errors import UserError


def check_numbers(
    config: Any,
    positive: tuple[str, ...],
    not_negative: tuple[str, ...],
    infinite: tuple[str, ...] = (),
) -> None:
    """Refuse numbers of a task's config that are out of bounds.

    Every number must be finite and every pair (low, high) in order.

    Args:
        config: a dataclass, others within it.
        positive: fields, by their dotted path, that must be above 0; of a dataclass or a range
            all numbers.
        not_negative: likewise, fields that must not be below 0.
        infinite: likewise, fields that may be so.

    Raises:
        UserError: names the option.
    """
    for path, values in _numbers(config, ""):
        name = flag(path)
        if any(map(math.isnan, values)):
            raise UserError(f"{name} must be a number")
        if any(map(math.isinf, values)) and not _is_in(path, infinite):
            raise UserError(f"{name} must be finite")
        if len(values) == 2 and values[0] > values[1]:
            raise UserError(f"{name} {values[0]:g} {values[1]:g} is no range: put the lower first")
        if _is_in(path, positive) and not min(values) > 0:
            raise UserError(f"{name} must be positive")
        if _is_in(path, not_negative) and min(values) < 0:
            raise UserError(f"{name} must not be negative")


def flag(path: str) -> str:
    """The option that sets this field of a task, by its dotted path."""
    return "--task." + path.replace("_", "-")


def _numbers(value: Any, path: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Every number or tuple of numbers in a dataclass, with its path."""
    if is_dataclass(value):
        for field in fields(value):
            inner = f"{path}.{field.name}" if path else field.name
            yield from _numbers(getattr(value, field.name), inner)
    elif isinstance(value, tuple) and all(isinstance(v, int | float) for v in value):
        yield path, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, (value,)


def _is_in(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(name + ".") for name in names)
