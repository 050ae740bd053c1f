"""Numbers of a protocol: each with its unit, its bounds and where it comes from."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from edge_runtime.errors import UserError

Range = tuple[float, float]
T = TypeVar("T")


def quantity(
    default: Any, unit: str, source: str, at_least: float = 0.0, at_most: float = math.inf
) -> Any:
    """A field of a protocol: a number, or a range (low, high) that trials draw from uniformly.

    Args:
        default: the published value.
        unit: what it is measured in; "1" for a plain number.
        source: why it has this value.
        at_least: the smallest value that makes sense.
        at_most: the largest.
    """
    metadata = {"unit": unit, "source": source, "at_least": at_least, "at_most": at_most}
    return dataclasses.field(default=default, metadata=metadata)


def changed(config: T, table: Mapping[str, Any], where: str) -> T:
    """The protocol with the values of a table.

    A value is a number or a list [low, high] in the declared unit, or says its unit itself:
    { value = 300, unit = "N" }.

    Args:
        config: a dataclass whose fields are all of `quantity`.
        table: values by field.
        where: the table's place, for the error message.

    Raises:
        UserError: names the key that is unknown, in another unit, or out of bounds.
    """
    fields = {f.name: f for f in dataclasses.fields(config)}  # type: ignore[arg-type]
    values = {}
    for key, given in table.items():
        if key not in fields:
            raise UserError(f"{where}: unknown key '{key}'; there are: {', '.join(fields)}")
        values[key] = _value(fields[key], given, f"{where}.{key}")
    result: T = dataclasses.replace(config, **values)  # type: ignore[type-var]
    return result


def _value(field: "dataclasses.Field[Any]", given: Any, where: str) -> Any:
    unit = field.metadata["unit"]
    if isinstance(given, Mapping):
        if set(given) != {"value", "unit"}:
            raise UserError(f'{where} must be a number or {{ value = ..., unit = "{unit}" }}')
        if given["unit"] != unit:
            raise UserError(f"{where} is in '{given['unit']}', but is measured in '{unit}'")
        given = given["value"]
    if isinstance(field.default, tuple):
        if not isinstance(given, list) or len(given) != 2:
            raise UserError(f"{where} must be a range [low, high] in {unit}")
        low, high = (_number(number, field, where) for number in given)
        if low > high:
            raise UserError(
                f"{where}: {low:g} to {high:g} is no range; the lower bound comes first"
            )
        return low, high
    number = _number(given, field, where)
    if isinstance(field.default, int) and number != int(number):
        raise UserError(f"{where} must be a whole number")
    return int(number) if isinstance(field.default, int) else number


def _number(given: Any, field: "dataclasses.Field[Any]", where: str) -> float:
    unit, least, most = (field.metadata[key] for key in ("unit", "at_least", "at_most"))
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        raise UserError(f"{where} = {given!r} is not a number of {unit}")
    shown = f"{where} = {given:g}{'' if unit == '1' else f' {unit}'}"
    if given < least:
        raise UserError(f"{shown} is below {least:g}")
    if given > most:
        raise UserError(f"{shown} is above {most:g}")
    return float(given)
