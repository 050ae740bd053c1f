"""The one kind of error a user can mend; a command prints it as one line and exits with 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right; the message names the thing and the way out."""


class ContractError(UserError):
    """A policy file, or its match with a robot, breaks the deployment contract."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """What a message about an unknown name ends with: the closest one, or all that there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known) or 'none'}"
