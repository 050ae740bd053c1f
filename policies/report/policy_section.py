"""The policy itself: where it comes from, what it sees, what it drives, what it may be asked."""

import math
from collections.abc import Mapping

from edge_runtime.observation.terms import TERMS
from edge_runtime.policy.contract import Contract
from policies.evaluation.quantities import number, title
from policies.report.blocks import (
    Column,
    Row,
    code,
    command_line,
    folded,
    pairs,
    paragraph,
    section,
    table,
)
from policies.report.markup import Markup, element


def policy_section(contract: Contract | None, source: str) -> Markup:
    """The policy's contract and provenance."""
    if contract is None:
        text = f"{source} is a driver that knows the whole world, not a policy with a contract."
        return section("policy", "The policy", paragraph(text))
    return section(
        "policy",
        "The policy",
        element("h3", "Where it comes from"),
        _provenance(contract, source),
        element("h3", "What it sees"),
        _observations(contract),
        element("h3", "What it may be asked for"),
        _commands(contract),
        element("h3", "What it drives"),
        _actuators(contract),
        element("h3", "How it runs"),
        _timing(contract),
    )


def versions(found: Mapping[str, str]) -> str:
    """Packages and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items())) or "not told"


def duration(seconds: float) -> str:
    """Seconds as hours and minutes."""
    if not math.isfinite(seconds):
        return "not told"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _provenance(contract: Contract, source: str) -> Markup:
    of = contract.provenance
    return pairs(
        [
            ("file", code(source)),
            ("task and robot", f"{contract.task}, {contract.robot}"),
            ("commit", code(of.commit)),
            ("seed", str(of.seed)),
            ("steps of experience", f"{of.steps:,}"),
            ("algorithm", of.algorithm or "not told"),
            ("trained with", command_line(of.command) if of.command else "not told"),
            ("hardware", of.hardware or "not told"),
            ("training took", duration(of.train_seconds)),
            ("normalizer, SHA-256", code(of.normalizer_sha256 or "not told")),
            ("versions", versions(of.versions)),
        ]
    )


def _observations(contract: Contract) -> Markup:
    columns = [Column("term", False), Column("size"), Column("unit", False), Column("scale")]
    columns += [Column("history"), Column("parameters", False), Column("reads", False)]
    rows: list[Row] = []
    for term, size in zip(contract.observations, contract.term_sizes):
        found = TERMS.find(term.name)
        parameters = ", ".join(f"{k} {number(v)}" for k, v in term.params.items())
        cells = (title(term.name), size, found.unit, number(term.scale), term.history)
        rows.append((*cells, parameters, ", ".join(found.reads)))
    caption = f"{contract.observation_size} numbers go into the network"
    return _figure(caption, table("Observation terms", columns, rows))


def _commands(contract: Contract) -> Markup:
    if not contract.commands:
        return paragraph("Nothing: it has no commands.")
    columns = [Column("command", False), Column("from"), Column("to"), Column("unit", False)]
    rows = [(title(c.name), number(c.lower), number(c.upper), c.unit) for c in contract.commands]
    return table("Commands and the range they were trained in", columns, rows)


def _actuators(contract: Contract) -> Markup:
    limits = ("lower", "upper", "max_velocity", "max_effort")
    names = ("stiffness", "damping", "default", "action_scale", *limits)
    columns = [Column("joint", False), Column("target", False), *(Column(title(n)) for n in names)]
    rows = [
        (title(a.name), a.mode, *(number(getattr(a, n)) for n in names)) for a in contract.actuators
    ]
    summary = f"{len(rows)} actuators, in SI units (rad, rad/s, Nm)"
    return folded(summary, table("Actuators", columns, rows))


def _timing(contract: Contract) -> Markup:
    rate = 1.0 / contract.control_period
    needs = ", ".join(title(name) for name in contract.estimator_outputs) or "nothing"
    return pairs(
        [
            ("control", f"every {1e3 * contract.control_period:g} ms ({rate:g} Hz)"),
            ("physics in training", f"every {1e3 * contract.physics_period:g} ms"),
            ("actions are clipped at", f"± {number(contract.action_clip)}"),
            ("is damped beyond", f"{number(contract.max_tilt)} rad from upright"),
            ("needs from the estimator", needs),
        ]
    )


def _figure(caption: str, content: Markup) -> Markup:
    return element("figure", element("figcaption", caption), content)
