"""Builds a message type's complete definition, as MCAP's `ros2msg` schemas require it."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

from sim2edge_ros.messages.tf_message import DEFINITION

_PLAIN = {
    *("bool", "byte", "char", "float32", "float64", "string", "wstring"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_FIELD = re.compile(r"\s*([\w/]+)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*\s*(?:[^=\s].*)?$")
_LINE = "=" * 80
# Types of std_msgs that may be written without their package.
_OF_STD_MSGS = {"Header": "std_msgs/Header"}


def definition(type_name: str, find: Callable[[str, str], str] | None = None) -> str:
    """Returns the definition of a type such as 'sensor_msgs/msg/Imu', and of each type it contains.

    Args:
        type_name: package, 'msg' and name.
        find: returns the .msg file's content for a package and a name; by default the installed
            one.

    Raises:
        LookupError: the definition of one of them is not installed.
    """
    find = find or installed
    package, _, name = type_name.split("/")
    content = find(package, name)
    parts, waiting, known = [content], _compound_types(content, package), {f"{package}/{name}"}
    while waiting:
        needed = waiting.pop(0)
        if needed in known:
            continue
        known.add(needed)
        package, name = needed.split("/")
        content = find(package, name)
        parts.append(f"{_LINE}\nMSG: {needed}\n{content}")
        waiting += _compound_types(content, package)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def installed(package: str, name: str) -> str:
    """Returns the content of an installed .msg file.

    Raises:
        LookupError: it is not installed.
    """
    if (package, name) == ("tf2_msgs", "TFMessage"):
        return DEFINITION
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise LookupError(f"package '{package}' is not installed")
    for folder in Path(found.origin).parents:  # up to the folder that holds `lib` and `share`
        path = folder / "share" / package / "msg" / f"{name}.msg"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise LookupError(f"no definition of '{package}/{name}' is installed")


def _compound_types(content: str, package: str) -> list[str]:
    """Returns the compound types of a definition's fields, as 'package/Name'."""
    found = []
    for line in content.splitlines():
        field = _FIELD.fullmatch(line.partition("#")[0].rstrip())
        if field is None or field[1] in _PLAIN:
            continue
        kind = field[1].replace("/msg/", "/")
        kind = _OF_STD_MSGS.get(kind, kind)
        found.append(kind if "/" in kind else f"{package}/{kind}")
    return found
