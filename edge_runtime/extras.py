"""Says how to add optional dependencies to this install: they are the package's extras."""

import json
import re
import shlex
from importlib.metadata import distributions, requires
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_PACKAGE = "sim2edge"


def install_line(*extras: str) -> str:
    """Returns the command that adds extras to this install, which no index has.

    It names where the install came from, by the record of PEP 610: a checkout or a wheel.
    """
    wanted = f"[{','.join(extras)}]"
    origin = _origin()
    place = Path(unquote(urlsplit(origin.get("url", "")).path))
    if "dir_info" in origin and place.is_dir():
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}{shlex.quote(f'{place}{wanted}')}"
    if "archive_info" in origin and place.is_file():
        return f"pip install {shlex.quote(f'{_PACKAGE}{wanted} @ {place.as_uri()}')}"
    return f"pip install '{_PACKAGE}{wanted}'"  # pip reads the extras of what is installed


def brought_by(extra: str) -> set[str]:
    """Returns the modules that an extra installs, by the packages that it lists."""
    modules: set[str] = set()
    for requirement in requires(_PACKAGE) or ():
        package, _, marker = requirement.partition(";")
        if not re.search(rf"extra == .{extra}\W", marker):
            continue
        name, _, inner = re.split(r"[<>=!~ ]", package)[0].rstrip("]").partition("[")
        if name == _PACKAGE:
            modules |= set().union(*map(brought_by, inner.split(",")))
        else:
            name = name.removeprefix("ros-jazzy-").replace("-", "_")
            modules.add({"pillow": "PIL"}.get(name, name))
    return modules


def _origin() -> dict[str, Any]:
    """Returns what pip noted of where this package came from; empty if nothing did.

    A build leaves a second description of the package in the checkout, without that note.
    """
    notes = (found.read_text("direct_url.json") for found in distributions(name=_PACKAGE))
    origin: dict[str, Any] = json.loads(next(filter(None, notes), "{}"))
    return origin
