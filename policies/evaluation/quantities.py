"""Names things for people: engines, measured quantities with their units, kinds of failure."""

import math
import re
from collections.abc import Mapping

from sim.engines.choice import TITLES

# Names that end with their unit, as settings do.
_SUFFIXES = {
    "_m_s": "m/s",
    "_rad_s": "rad/s",
    "_kg": "kg",
    "_s": "s",
    "_m": "m",
    "_rad": "rad",
    "_deg": "°",
    "_N": "N",
    "_Hz": "Hz",
}
LABELS = frozenset({"track"})  # settings that name something: more of them is nothing
_DURATIONS = ("seconds", "episode_seconds")  # of a trial, of an episode
_TAIL = re.compile(r"[\s,;:(]+(?:(?:at|after|in|on|with|for|by|of|only|near)[\s,;:(]*)*$")


def engine_name(engine: str) -> str:
    """Returns the engine's name as its makers write it."""
    return TITLES.get(engine, engine)


def title(name: str) -> str:
    """Returns the name of a metric or setting as words, without its unit."""
    if name in _DURATIONS:
        return "duration"
    return name.removesuffix(_suffix(name)).replace("_", " ").strip() or "?"


def unit(name: str, declared: Mapping[str, str]) -> str:
    """Returns the unit of a metric or setting, "" where it has none or none is known.

    Args:
        name: the name of the metric or setting.
        declared: units of metrics, the task's `metric_units`.
    """
    known = "s" if name in _DURATIONS else _SUFFIXES.get(_suffix(name), "")
    return declared.get(name, known)


def _suffix(name: str) -> str:
    """Returns the end of a name that says its unit, "" where none does."""
    return next((s for s in _SUFFIXES if name.endswith(s) and name != s), "")


def with_unit(name: str, value: float, declared: Mapping[str, str]) -> str:
    """Returns a value of a metric or setting with its unit; short times are in milliseconds."""
    shown = unit(name, declared)
    if shown == "s" and 0.0 < abs(value) < 0.1:
        value, shown = 1e3 * value, "ms"
    return f"{number(value)} {shown}".rstrip()


def kind_of_failure(why: str) -> str:
    """Returns what a sentence such as "fell at 12.3 s in segment 3" shares with others: "fell".

    It is what stands before a colon, as in "12 deadlines missed: stop after 40 ms", or else before
    the first figure.
    """
    name, colon, _ = why.partition(":")
    start = name if colon else re.split(r"[\d,;(]", why, maxsplit=1)[0]
    return _TAIL.sub("", start.rstrip() + " ").strip() or "unknown"


def number(value: float, digits: int = 3) -> str:
    """Returns a figure for people: some significant digits, a dash for NaN."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e7:
        text = f"{value:.0f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def percent(share: float, digits: int = 0) -> str:
    """Returns a share in percent; a dash for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f} %"
