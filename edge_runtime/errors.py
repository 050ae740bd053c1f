"""Defines errors that a user can fix: a command prints them as one line and exits with 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Reports a mistake that the user can fix; the message names the thing and the way out."""


class ContractError(UserError):
    """Reports a policy file, or its match with a robot, that breaks the deployment contract."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name: the closest one, or all known."""
    known = list(known)
    close = difflib.get_close_matches(name[:100], known, n=1)  # a forged file's may be long
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known) or 'none'}"
