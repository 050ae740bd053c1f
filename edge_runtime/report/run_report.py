"""Reports a run: a dictionary for machines, a table for people."""

import os
import platform
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.loop.budget import Stage
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.latency_histogram import LatencyHistogram, percentiles
from edge_runtime.safety.rules import MEASURES, OVERRUNS, Fault, Reaction, Rule

PERCENTS = (50.0, 99.0, 99.9)
_BAR = 16  # characters
_STAGES = tuple(stage.name.lower() for stage in Stage)


@dataclass(frozen=True)
class Row:
    """Holds the latencies of a stage, or of the whole tick, ns."""

    name: str
    p50: int
    p99: int
    p999: int
    max: int
    share: float | None = None  # of the period, which is the budget
    limit: int | None = None
    over: int | None = None  # ticks over the budget


def rows(loop: ControlLoop) -> list[Row]:
    """Returns a row for each stage, then for the tick, then for the wake-up."""
    budget = loop.budget
    stages = [
        _row(_STAGES[stage], budget.stages[stage], share, budget.limits[stage], over)
        for stage, share, over in zip(Stage, budget.config.shares, budget.over_share)
    ]
    total = sum(budget.config.shares)
    tick = _row("tick", budget.tick, total, round(total * budget.period), None)
    return [*stages, tick, _row("wake-up", budget.wake_up, None, None, None)]


def _row(
    name: str,
    histogram: LatencyHistogram,
    share: float | None,
    limit: int | None,
    over: int | None,
) -> Row:
    p50, p99, p999 = percentiles(histogram, PERCENTS)
    return Row(name, p50, p99, p999, histogram.max, share, limit, over)


def as_dictionary(loop: ControlLoop) -> dict[str, Any]:
    """Returns the report for machines; times are in µs unless their name says otherwise."""
    contract, sensors, guard = loop.controller.contract, loop.sensors, loop.guard
    return {
        "policy": {
            "file": loop.controller.policy.source,
            "task": contract.task,
            "robot": contract.robot,
            "commit": contract.provenance.commit,
            "steps": contract.provenance.steps,
        },
        "robot": loop.robot.description.name,
        "period_ms": loop.period * 1e-6,
        "ticks": loop.ticks,
        "missed": loop.budget.missed,
        "latency_us": {row.name: _latency(row) for row in rows(loop)},
        "samples": {
            "new": sensors.new,
            "lost": sensors.lost,
            "ticks_without_new": sensors.without_new,
        },
        "ticks_with_clipped_actions": loop.clipped,
        "swaps": loop.swaps,
        "ticks_by_reaction": {r.name.lower(): loop.ticks_reacting[r] for r in Reaction},
        "latched": guard.latched.name.lower(),
        "rules": [
            {
                "fault": rule.fault.name.lower(),
                "measure": MEASURES[rule.fault],
                "limit": rule.limit,
                "reaction": rule.consequence,
                "latch": rule.latch,
                "ticks": ticks,
                "first_tick": first,
            }
            for rule, ticks, first in zip(guard.rules, guard.ticks_tripped, guard.first_tripped)
        ],
        "estimator": {
            "gives": [signal.name for signal in loop.fusion.provides],
            "lost_because": loop.lost_because,
        },
        "observer_failures": list(loop.observer_failures),
        "error": None if loop.error is None else _error(loop.error),
        "realtime": dict(loop.realtime_report),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": platform.machine(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
    }


def _error(error: BaseException) -> dict[str, str]:
    """Describes the error that ended the loop."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return {"kind": type(error).__name__, "message": str(error), "traceback": "".join(lines)}


def _latency(row: Row) -> dict[str, float | int | None]:
    micro = {"p50": row.p50, "p99": row.p99, "p99.9": row.p999, "max": row.max}
    latency: dict[str, float | int | None] = {k: round(v * 1e-3, 1) for k, v in micro.items()}
    if row.limit is not None:
        latency |= {"budget": row.limit * 1e-3, "share": row.share}
    if row.over is not None:
        latency["ticks_over_budget"] = row.over
    return latency


def table(loop: ControlLoop, color: bool) -> list[str]:
    """Returns the lines of the budget table, for a terminal of 80 columns."""
    paint = _paint if color else _plain
    lines = [
        paint(
            f"{'µs':<8}{'budget':>8}{'p50':>8}{'p99':>8}{'p99.9':>8}{'max':>8}{'over':>7}  "
            "p99 of budget",
            "2",
        )
    ]
    for row in rows(loop):
        limit = "" if row.limit is None else f"{row.limit / 1e3:.0f}"
        over = "" if row.over is None else str(row.over)
        cells = "".join(f"{v / 1e3:>8.0f}" for v in (row.p50, row.p99, row.p999, row.max))
        line = f"{row.name:<8}{limit:>8}{cells}{over:>7}  "
        if row.limit is not None:
            line += paint(_bar(row.p99 / row.limit), _grade(row.p99 / row.limit))
        lines.append(paint(line, "1") if row.name == "tick" else line)
    return [*lines, *_summary(loop, paint)]


def _summary(loop: ControlLoop, paint: Any) -> list[str]:
    sensors = loop.sensors
    missed = f"{loop.budget.missed} missed"
    reaction = f"guard: {loop.reaction.name.lower()}" if loop.reaction else "policy drives"
    warned = {rule.fault for rule in _warning(loop)}
    over = [name for name, fault in zip(_STAGES, OVERRUNS) if fault in warned]
    reaction += f", over budget: {', '.join(over)}" if over else ""
    if loop.stopping and not loop.guard.latched:
        reaction = "stopped as asked"
    counts = [
        f"{loop.ticks} ticks",
        paint(missed, "31" if loop.budget.missed else "32"),
        f"{sensors.lost} samples lost",
        f"{sensors.without_new} repeated",
    ]
    driving = [
        f"{loop.clipped} clipped",
        paint(reaction, "33" if loop.guard.latched else "32"),
    ]
    return ["  ".join(counts), "  ".join(driving)]


def broken_rules(loop: ControlLoop) -> list[str]:
    """Returns a line for each broken rule, in the order in which they were first broken."""
    guard = loop.guard
    broken = [
        (first, f"{_measure(loop, rule)} > {rule.limit:g}: {rule.consequence}", ticks)
        for rule, first, ticks in zip(guard.rules, guard.first_tripped, guard.ticks_tripped)
        if first is not None
    ]
    lines = [
        f"tick {first}: {what} ({ticks} tick{'s' if ticks > 1 else ''})"
        for first, what, ticks in sorted(broken)
    ]
    return lines + [f"estimator: {loop.lost_because}"] * bool(loop.lost_because)


def reason(loop: ControlLoop) -> str:
    """Returns why the guard reacts, or why its reaction latched; empty without a reaction."""
    guard = loop.guard
    index = guard.latched_by if guard.latched else guard.due_by
    if not loop.reaction or index is None:
        return ""
    rule = guard.rules[index]
    why = f"{_measure(loop, rule)} > {rule.limit:g}"
    if rule.fault is not Fault.ESTIMATOR_LOST:
        return why
    return f"{why}: {loop.fusion.reason or loop.lost_because}"


def current_warnings(loop: ControlLoop) -> list[str]:
    """Returns a line for each rule that warns now."""
    measures = loop.guard.measures
    return [f"{_measure(loop, rule)}: {measures[rule.fault]:.2g}" for rule in _warning(loop)]


def _warning(loop: ControlLoop) -> list[Rule]:
    """Returns the rules that warn now."""
    rules, measures = loop.guard.rules, loop.guard.measures
    return [r for r in rules if not r.reaction and not measures[r.fault] <= r.limit]


def _measure(loop: ControlLoop, rule: Rule) -> str:
    """Describes what a rule measures; of a stage over its budget, with that budget."""
    if rule.fault not in OVERRUNS:
        return MEASURES[rule.fault]
    budget = loop.budget.limits[OVERRUNS.index(rule.fault)]
    return f"{MEASURES[rule.fault]} of {budget * 1e-6:.3g} ms"


def _bar(share: float) -> str:
    eighths = min(round(share * _BAR * 8), _BAR * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(
        _BAR
    ) + f" {min(share, 9.99):4.0%}"


def _grade(share: float) -> str:
    return "32" if share < 0.7 else "33" if share <= 1 else "31"


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _plain(text: str, _code: str) -> str:
    return text
