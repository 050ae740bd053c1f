"""Runs `sim2edge inspect`: shows what a policy file needs, and checks its golden vectors."""

import dataclasses
import json
import re
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.console import plain
from edge_runtime.observation.terms import TERMS
from edge_runtime.policy.contract import Actuator, Contract
from edge_runtime.policy.inference import GOLDEN_TOLERANCE, Policy

_COMMANDS = "by"
SCHEMA_VERSION = 1  # of the JSON, which grows by new keys alone


@dataclass(frozen=True)
class InspectConfig:
    """Show what a policy file needs, and re-run its golden vectors."""

    policy: Path
    """The policy file (.onnx), or the name of a policy that comes with sim2edge."""
    json: bool = False
    """Print the contract and the golden error as JSON."""


def main(config: InspectConfig) -> int:
    """Runs the command.

    Raises:
        ContractError: the file is not a policy, or was damaged or changed since export.
    """
    policy = Policy.load(config.policy)
    if config.json:
        document = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(policy.contract)}
        print(json.dumps(document | {"golden_error": policy.golden_error()}, indent=2))
    else:
        print("\n".join(describe(policy)))
    return 0


def describe(policy: Policy) -> list[str]:
    """Returns the lines of a contract, for people."""
    contract = policy.contract
    sections = [
        _head(policy),
        _columns(
            f"observation ({contract.observation_size})",
            ("term", "size", "unit", "frame", "scale", "history", "reads"),
            [
                (
                    term.name,
                    str(size),
                    TERMS.find(term.name).unit,
                    TERMS.find(term.name).frame,
                    f"{term.scale:g}",
                    str(term.history),
                    ", ".join(TERMS.find(term.name).reads),
                )
                for term, size in zip(contract.observations, contract.term_sizes)
            ],
        ),
        _columns(
            f"actuators ({len(contract.actuators)}), action within ±{contract.action_clip:g}",
            ("joint", "target", "Kp", "Kd", "default", "scale", "limits", "max speed", "max force"),
            [_actuator(a) for a in contract.actuators],
        ),
    ]
    if contract.commands:
        sections.append(
            _columns(
                "commands",
                ("name", "unit", "from", "to"),
                [(c.name, c.unit, f"{c.lower:g}", f"{c.upper:g}") for c in contract.commands],
            )
        )
    return [line for section in sections for line in [*section, ""]][:-1]


def _head(policy: Policy) -> list[str]:
    contract: Contract = policy.contract
    origin = contract.provenance
    facts = {
        "task": f"{contract.task} on robot '{contract.robot}'",
        "rate": f"{1 / contract.control_period:g} Hz, trained over physics at "
        f"{1 / contract.physics_period:g} Hz",
        "estimator": ", ".join(contract.estimator_outputs) or "none needed",
        "tilt": f"damps past {contract.max_tilt:g} rad",
        "trained": f"{origin.algorithm or 'unknown algorithm'}, {origin.steps:,} steps in "
        f"{origin.train_seconds:.0f} s, seed {origin.seed}, commit {origin.commit}",
        "on": origin.hardware or "unknown hardware",
        _COMMANDS: origin.command or "unknown command",
        "golden": f"{len(contract.golden_actions)} vectors, off by {policy.golden_error():.1e} "
        f"(allowed {GOLDEN_TOLERANCE:g})",
    }
    facts = {name: plain(value) for name, value in facts.items()}  # a file may forge lines
    lines = [line for name, value in facts.items() for line in _fact(name, value)]
    return [plain(policy.source), *lines]


def _fact(name: str, value: str) -> list[str]:
    """Returns a fact in lines that fit the terminal; commands can still be pasted into a shell."""
    begin, end = f"  {name:<10} ", " \\" if name == _COMMANDS else ""
    width = shutil.get_terminal_size((100, 24)).columns - len(begin) - len(end)
    wrapped: list[str] = []
    for part in re.split(r"(?<= &&) ", value) if end else [value]:
        *first, last = textwrap.wrap(
            part, max(width, 40), break_long_words=False, break_on_hyphens=False
        ) or [""]
        wrapped += [*(f"{line}{end}" for line in first), last]
    return [f"{begin if i == 0 else ' ' * len(begin)}{line}" for i, line in enumerate(wrapped)]


def _actuator(a: Actuator) -> tuple[str, ...]:
    numbers = (a.stiffness, a.damping, a.default, a.action_scale)
    return (
        a.name,
        a.mode,
        *(f"{n:.4g}" for n in numbers),
        f"{a.lower:.3g} to {a.upper:.3g}",
        f"{a.max_velocity:.3g}",
        f"{a.max_effort:.3g}",
    )


def _columns(title: str, names: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    table = [[plain(cell) for cell in row] for row in (names, *rows)]
    widths = [max(map(len, column)) for column in zip(*table)]
    return [title] + [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in table
    ]
