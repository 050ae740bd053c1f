"""Finds the policies that come with the package, each by the name of its task."""

from importlib.resources import files
from pathlib import Path

from edge_runtime.errors import UserError, suggestion

_RUN = "config.json"  # what the folder of a training holds


def shipped_policies() -> dict[str, Path]:
    """Returns the policy files that come with the package, by name."""
    folder = Path(str(files("assets") / "policies"))
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def policy_path(named: Path) -> Path:
    """Returns where a policy is that a user named: by its path, or by a shipped policy's name.

    A file of that name in the working folder comes before a shipped policy, and so does the folder
    of a run.

    Raises:
        UserError: the name is no path, and no shipped policy has it.
    """
    is_name = named.name == str(named) and not named.suffix
    is_here = (named / _RUN).exists() if named.is_dir() else named.exists()
    if not is_name or is_here:
        return named
    shipped = shipped_policies()
    if named.name in shipped:
        return shipped[named.name]
    if named.exists():
        return named  # its reader says what it is
    raise UserError(
        f"there is no file '{named}', and no policy of that name comes with sim2edge; "
        f"{suggestion(named.name, shipped)}"
    )


def kit_path(named: Path) -> Path:
    """Returns where the learner kit of a policy is: beside its file, with the ending .kit.

    Raises:
        UserError: as for `policy_path`.
    """
    return policy_path(named).with_suffix(".kit")
