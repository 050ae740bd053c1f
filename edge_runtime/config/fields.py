"""Declares a setting once: default, sentence, unit and bounds.

The command line, JSON and TOML files, ROS parameters and the generated reference all read them.
"""

import ast
import inspect
import math
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from functools import cache
from itertools import pairwise
from types import MappingProxyType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from edge_runtime.errors import UserError

Range = tuple[float, float]  # (low, high)
LONGEST = 1e8
"""How long anything may last, s or min; with more, the number of its steps is none that counts."""
_KEY = "setting"
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Setting:
    """Holds what is declared of a field beside its type and default."""

    sentence: str = ""
    unit: str = ""  # "1" for a number without one
    above: float = -math.inf
    at_least: float = -math.inf
    at_most: float = math.inf
    infinite: bool = False
    allowed: str = ""

    @property
    def bounds(self) -> str:
        """Says the bounds in words, such as "above 0" or "from 0 to 1"; empty without any."""
        least, most = shown(self.at_least), shown(self.at_most)
        if self.above > -math.inf:
            lower = f"above {shown(self.above)}"
        elif self.at_least > -math.inf:
            if self.at_most < math.inf:
                return f"from {least} to {most}"
            lower = f"at least {least}"
        else:
            lower = ""
        upper = f"at most {most}" if self.at_most < math.inf else ""
        return " and ".join(filter(None, (lower, upper)))


def setting(
    default: Any = MISSING,
    sentence: str = "",
    unit: str = "",
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    infinite: bool = False,
    allowed: str = "",
) -> Any:
    """Declares a field of a dataclass as a setting.

    A long sentence may stand as a string below the field instead.
    Bounds hold for each number of a tuple, of which there must then be one at least. A tuple of
    two numbers is a range, the lower first; one of any length is a list.

    Args:
        default: its default; without one it must be given.
        sentence: what it means.
        unit: what its numbers are measured in; "1" where saying that it has none is worth it.
        above: numbers must be greater than this.
        at_least: numbers must not be smaller than this.
        at_most: numbers must not be greater than this.
        infinite: whether numbers may be infinite.
        allowed: what else it must be, in words, for a reader of the description.
    """
    declared = Setting(sentence, unit, above, at_least, at_most, infinite, allowed)
    return field(default=default, metadata={_KEY: declared})


def same_as(kind: Any, name: str, default: Any = MISSING, **changes: Any) -> Any:
    """Declares a field as another dataclass does, but for another default or other changes."""
    (of,) = (of for of in fields(kind) if of.name == name)
    declared = replace(settings_of(kind)[name], **{"sentence": sentence(kind, of), **changes})
    return field(default=of.default if default is MISSING else default, metadata={_KEY: declared})


@cache
def settings_of(kind: type[Any]) -> Mapping[str, Setting]:
    """Returns what is declared of each field of a dataclass, by field.

    A field with another default alone keeps what the class that it extends declares of it. Of a
    plain field it is an empty `Setting`.
    """
    found = {of.name: Setting() for of in fields(kind)}
    for base in reversed(kind.__mro__):
        own = base.__dict__.get("__dataclass_fields__", {}).items()
        found |= {name: of.metadata[_KEY] for name, of in own if _KEY in of.metadata}
    return MappingProxyType(found)


def is_required(of: "Field[Any]") -> bool:
    """Returns whether a field has no default."""
    return of.default is MISSING and of.default_factory is MISSING


def described(kind: Any, of: "Field[Any]") -> str:
    """Describes a field of a dataclass: its sentence, and a second one with bounds and unit."""
    declared = settings_of(kind)[of.name]
    unit = declared.unit if declared.unit != "1" else ""
    limits = " ".join(filter(None, (declared.bounds or (unit and "in"), unit)))
    second = limits and f"{limits[0].upper()}{limits[1:]}."
    return " ".join(filter(None, (sentence(kind, of), second)))


def sentence(kind: type[Any], of: "Field[Any]") -> str:
    """Returns the sentence that is declared of a field of a dataclass, or the string below it.

    Without either it is that of the class that it extends.
    """
    for base in kind.__mro__:
        own = base.__dict__.get("__dataclass_fields__", {}).get(of.name)
        declared = own.metadata.get(_KEY, Setting()) if own else Setting()
        if found := declared.sentence or _strings_below(base).get(of.name):
            return found
    return ""


@cache
def _strings_below(kind: type[Any]) -> dict[str, str]:
    """Returns the strings below a class's fields, by field; none where its source is missing."""
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError):
        return {}
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(below.value.value, str)
    }


@cache
def types_of(kind: type[Any]) -> Mapping[str, Any]:
    """Returns the types of a dataclass's fields, by field."""
    return MappingProxyType(get_type_hints(kind))


def check(config: Any, where: str) -> None:
    """Refuses numbers that are no numbers or out of bounds, and ranges in the wrong order.

    Args:
        config: a dataclass, others within it.
        where: what stands before a field's path in the message: "--" or "--task." for options,
            whose names have dashes; else a file and its table.

    Raises:
        UserError: names the option or key, and what it must be.
    """
    kind: Any = type(config)
    hints, declared = types_of(kind), settings_of(kind)
    for of in fields(config):
        name = where + (of.name.replace("_", "-") if where.startswith("-") else of.name)
        check_value(getattr(config, of.name), declared[of.name], name, is_range(hints[of.name]))


def check_value(value: Any, declared: Setting, name: str, ordered: bool = False) -> None:
    """Refuses the numbers in one setting's value, or in a range, as `check` does in a config.

    Raises:
        UserError: names the option or key, and what it must be.
    """
    if is_dataclass(value):
        check(value, f"{name}.")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_value(item, declared, f"{name}.{key}")
    elif isinstance(value, tuple) and not all(map(_is_number, value)):
        for place, item in enumerate(value):
            check_value(item, declared, f"{name}[{getattr(item, 'name', place)}]")
    elif isinstance(value, tuple) or _is_number(value):
        _check_numbers(value if isinstance(value, tuple) else (value,), declared, name, ordered)


def _check_numbers(numbers: tuple[float, ...], declared: Setting, name: str, ordered: bool) -> None:
    if any(isinstance(number, int) and abs(number) > _LARGEST for number in numbers):
        bounded = declared.at_most < math.inf
        limit = f"it must be {declared.bounds}" if bounded else "2^63 - 1 is the largest"
        raise UserError(f"{name} has too many digits; {limit}")
    if any(map(math.isnan, numbers)):
        raise UserError(f"{name} must be a number")
    if any(map(math.isinf, numbers)) and not declared.infinite:
        raise UserError(f"{name} must be finite")
    if ordered and numbers[0] > numbers[1]:
        low, high = map(shown, numbers)
        raise UserError(f"{name} {low} {high} is no range: put the lower first")
    if not numbers and declared.bounds:
        raise UserError(f"{name} is empty; give one number at least, {declared.bounds}")
    for number in numbers:
        _check_bounds(number, declared, name)


def _check_bounds(number: float, declared: Setting, name: str) -> None:
    is_above = number > declared.above or declared.above == -math.inf
    if declared.at_least <= number <= declared.at_most and is_above:
        return
    unit = f" {declared.unit}" if declared.unit not in ("", "1") else ""
    if number < declared.at_most == LONGEST:  # that it is no longer is not the matter
        declared = replace(declared, at_most=math.inf)
    words = {"above 0": "be positive", "at least 0": "not be negative"}
    must = words.get(declared.bounds, f"be {declared.bounds}{unit}")
    raise UserError(f"{name} is {shown(number)}{unit}; it must {must}")


@cache
def is_range(kind: Any) -> bool:
    """Returns whether a field of this type holds two numbers, or may."""
    if get_origin(kind) in (Union, UnionType):
        return any(map(is_range, get_args(kind)))
    return get_origin(kind) is tuple and get_args(kind) in ((float, float), (int, int))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(number: float) -> str:
    """Formats a number for a message; whole ones with all their digits."""
    return str(number) if isinstance(number, int) else f"{number:g}"
