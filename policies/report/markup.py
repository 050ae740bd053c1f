"""HTML and SVG that cannot be broken by what is put into it: everything but markup is escaped."""

import html
import re


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


# What `element` takes; None is left out.
Child = str | float | None

_VOID = frozenset({"br", "col", "meta"})
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # no HTML can hold these


def element(tag: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element.

    Args:
        tag: its name.
        children: markup as it is, other text escaped, numbers in full, None left out.
        attributes: escaped; an underscore stands for a hyphen, one at the end is dropped
            (`class_`); True gives the name alone, None and False leave it out.

    Raises:
        ValueError: a name is none that HTML knows.
    """
    parts = [f"<{_checked(tag)}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = _checked(key.rstrip("_").replace("_", "-"))
        text = "" if value is True else f'="{escape(_text(value))}"'
        parts.append(f" {key}{text}")
    parts.append(">")
    if tag not in _VOID:
        parts += [join(*children), f"</{tag}>"]
    return Markup("".join(parts))


def join(*children: Child) -> Markup:
    """Several in a row, without an element around."""
    texts = (c if isinstance(c, Markup) else escape(_text(c)) for c in children if c is not None)
    return Markup("".join(texts))


def escape(text: str) -> str:
    """Text for a page, in quotes too; what HTML cannot hold becomes a replacement sign."""
    return html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name in HTML")
    return name
