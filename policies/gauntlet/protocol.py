"""Finds the protocol of a suite: each gauntlet's numbers, as published or as a file has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.config.config_file import from_json
from edge_runtime.config.document import read_table
from edge_runtime.errors import UserError
from policies.gauntlet.trial_env import GAUNTLETS, GauntletNumbers

GAUNTLET, FAULTS = "gauntlet", "faults"


@dataclass(frozen=True)
class GauntletProtocol:
    """Holds the numbers that differ from the published ones, and where they were read."""

    changed: Mapping[str, GauntletNumbers] = field(default_factory=dict)  # by gauntlet
    suite: str = GAUNTLET
    source: str = ""

    def numbers(self, gauntlet: str) -> GauntletNumbers:
        """Returns the numbers of the gauntlet of that name.

        Raises:
            UserError: there is no such gauntlet.
        """
        return self.changed.get(gauntlet) or GAUNTLETS.find(gauntlet).protocol


def find_protocol(suite: str) -> GauntletProtocol:
    """Returns the published protocol of that name, or what a suite file makes of it.

        suite = "gauntlet"
        [walking]
        push_force = { value = [0, 300], unit = "N" }

    Raises:
        UserError: there is no such suite, or the file has a key or unit that is unknown.
    """
    if suite in (GAUNTLET, FAULTS):
        return GauntletProtocol(suite=suite)
    path = Path(suite)
    if path.suffix not in (".toml", ".json"):
        raise UserError(
            f"unknown suite '{suite}'; there are {GAUNTLET} and {FAULTS}, or name a .toml file"
        )
    document = read_table(path, "suite")
    if document.pop("suite", None) != GAUNTLET:
        raise UserError(f'{path} must say which suite it changes: suite = "{GAUNTLET}"')
    changed = {}
    for key, table in document.items():
        if key not in GAUNTLETS or not isinstance(table, dict):
            tables = ", ".join(f"[{name}]" for name in GAUNTLETS)
            raise UserError(f"{path}: unknown key '{key}'; there are the tables {tables}")
        published = GAUNTLETS.find(key).protocol
        changed[key] = from_json(type(published), table, f"{path}: {key}", published)
        changed[key].check(f"{path}: {key}.")
    return GauntletProtocol(changed, source=str(path))
