"""The one kind of error a user can mend; a command prints it as one line and exits with 2."""


class UserError(Exception):
    """Something the user can put right; the message names the thing and the way out."""


class ContractError(UserError):
    """A policy file, or its match with a robot, breaks the deployment contract."""
