"""Runs `sim2edge adopt`: takes a signed adapter that a simulation has rehearsed for this robot."""

import re
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.audit.audit_log import user
from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.files import check_output, write_file
from edge_runtime.learning.adapters.signed_adapter import SignedAdapter
from edge_runtime.policy.inference import read_model
from edge_runtime.slots.slot_folder import SlotFolder

_PUBLIC = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class AdoptConfig:
    """Take a signed adapter: verify it, and make the policy with it pending or a file."""

    adapter: Path
    """The file that 'sim2edge rehearse' has written."""
    policy: Path
    """The robot's untrimmed policy: a file, or the name of one that comes with sim2edge."""
    server_public: str = ""
    """The public key by which it must be signed, which 'sim2edge audit server' prints."""
    slots: Path | None = None
    """Folder of 'sim2edge slots', where the policy with the adapter becomes pending."""
    output: Path | None = None
    """Write the policy with the adapter here."""


def main(config: AdoptConfig) -> int:
    """Runs the command; returns 0.

    Raises:
        UserError: the adapter is changed, for another policy or signed by another key, or a file
            cannot be written.
    """
    if not _PUBLIC.fullmatch(config.server_public):
        raise UserError(
            "--server-public must be the 64 hexadecimal digits that 'sim2edge audit server' prints"
        )
    if config.slots is None and config.output is None:
        raise UserError("--slots or --output is missing; name where the policy goes")
    if config.output is not None:
        check_output(config.output)
    slots = None if config.slots is None else SlotFolder(config.slots)
    if slots is not None and (not slots.exists() or slots.status().good is None):
        raise UserError(
            f"{config.slots} holds no good policy to go back to; install one first: "
            f"sim2edge slots {config.slots} install {config.policy}"
        )
    adapter = SignedAdapter.load(config.adapter, config.server_public)
    model = adapter.applied_to(read_model(config.policy))
    trims = ", ".join(f"{name} {value:g}" for name, value in adapter.about.trims.items())
    print(plain(f"{config.adapter}: signed by {adapter.public[:16]}, trims: {trims or 'none'}"))
    if config.output is not None:
        write_file(config.output, model)
        print(plain(f"{config.output}: the policy with the adapter"))
    if slots is not None:
        slots.install(model, user())
        print(plain(f"{config.slots}: it is pending; 'sim2edge run {config.slots}' tries it"))
    return 0
