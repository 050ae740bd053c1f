"""The section about pushes: where they came from, how strong they were, who fell."""

import math
from collections.abc import Sequence

from policies.evaluation.quantities import engine_name, number, percent
from policies.evaluation.suite_result import SuiteResult
from policies.report.blocks import Column, folded, paragraph, section, table
from policies.report.charts import share_bar
from policies.report.evaluation_report import Evaluation
from policies.report.failure_map import (
    SECTORS,
    Push,
    by_sector,
    by_strength,
    failure_map,
)
from policies.report.figures import Share, nice_ticks
from policies.report.markup import Child, Markup, element


def pushes_section(evaluation: Evaluation) -> Markup | None:
    """The section; None where nobody was pushed."""
    by_engine = {r.engine: pushes_of(r) for r in evaluation.results}
    everything = [push for pushes in by_engine.values() for push in pushes]
    if not everything:
        return None
    strongest = nice_rim(max(push.force for push in everything))
    maps = [
        element(
            "figure",
            element("figcaption", engine_name(engine)),
            failure_map(pushes, strongest),
            class_="card",
        )
        for engine, pushes in by_engine.items()
    ]
    return section(
        "pushes",
        "Failure map of the pushes",
        paragraph(
            "The robot is in the middle, seen from above, and looks up. A push lies on the side it "
            "came from, the farther out the stronger: a dot was survived, a cross (✗) was not. At "
            "the rim, the share survived from that side, the darker the more fell."
        ),
        element("div", *maps, class_="maps"),
        element("h3", "By strength"),
        _strengths(by_engine, strongest),
        folded("By direction, as figures", _sectors(by_engine)),
    )


def pushes_of(result: SuiteResult) -> list[Push]:
    """The pushes whose direction and strength are known."""
    return [
        Push(trial.trial, push.direction + math.pi, push.force, push.survived)
        for trial in result.trials
        for push in trial.pushes
        if math.isfinite(push.direction) and math.isfinite(push.force)
    ]


def nice_rim(strongest: float) -> float:
    """A round number that the strongest push does not pass, in N."""
    if strongest <= 0:
        return 1.0
    ticks = nice_ticks(0.0, 2 * strongest, 9)
    return next(tick for tick in ticks if tick >= strongest * (1 - 1e-9))


def _strengths(by_engine: dict[str, list[Push]], strongest: float) -> Markup:
    bands = [(engine, by_strength(pushes, strongest)) for engine, pushes in by_engine.items()]
    rows = []
    for k, (low, high, _) in enumerate(bands[0][1]):
        shares = [of_engine[k][2] for _, of_engine in bands]
        cells = [cell for share in shares for cell in _cells(share)]
        rows.append((f"{number(low)} to {number(high)} N", *cells))
    return table("Pushes survived, by strength", _columns("strength", by_engine), rows)


def _sectors(by_engine: dict[str, list[Push]]) -> Markup:
    shares = [by_sector(pushes) for pushes in by_engine.values()]
    rows = [
        (f"from the {name}", *(cell for of_engine in shares for cell in _cells(of_engine[k])))
        for k, name in enumerate(SECTORS)
    ]
    return table("Pushes survived, by direction", _columns("direction", by_engine), rows)


def _columns(first: str, engines: Sequence[str] | dict[str, list[Push]]) -> list[Column]:
    columns = [Column(first, False)]
    for engine in engines:
        columns += [Column(f"{engine_name(engine)}: pushes"), Column("survived")]
        columns += [Column("with 95 % interval", False)]
    return columns


def _cells(share: Share) -> tuple[Child, ...]:
    return share.count, percent(share.value), share_bar(share, None, 160.0)
