"""Writes the report: one HTML file that needs nothing else, not even a network.

What it says is in `templates/`: `page.html.jinja`, and in `sections/` one file for each section,
named like it. Python prepares the figures that they show.
"""

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from edge_runtime.files import write_file
from edge_runtime.observation.terms import TERMS
from edge_runtime.policy.contract import Contract
from policies.evaluation.quantities import engine_name, number, percent, title, unit, with_unit
from policies.evaluation.suite_result import SuiteResult
from policies.faults.fault_suite import SUITE
from policies.faults.fault_table import HEADS, fault_rows
from policies.report.charts import failures_chart
from policies.report.distributions import metrics_of
from policies.report.evaluation_report import EvaluationReport
from policies.report.failure_map import pushes_section
from policies.report.influences import settings_section
from policies.report.trials import trial_tables, worst_section
from policies.report.verdict import success_by_engine, verdict_of

_LINKS = {
    "gate": "Gate",
    "success": "Success",
    "faults": "Faults",
    "pushes": "Failure map",
    "settings": "Causes",
    "measures": "Measured",
    "worst": "Worst trials",
    "trials": "Every trial",
    "policy": "The policy",
    "method": "How it was made",
}
_ALWAYS = frozenset({"success", "trials", "policy", "method"})  # the others only if they say much
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # not allowed in HTML


def write_report(path: Path, report: EvaluationReport) -> Path:
    """Writes the page; it appears only once it is whole.

    Args:
        path: where, ending in .html.
        report: what it says.

    Returns:
        The path.

    Raises:
        UserError: it cannot be written there; what was at `path` is still there.
    """
    write_file(path, page(report))
    return path


def page(report: EvaluationReport) -> str:
    """Returns the page's text."""
    first = report.results[0] if report.results else None
    suite = title(first.suite).capitalize() if first else "Evaluation"
    source = first.policy if first else ""
    content = _content(report)
    script = _read("page.js")
    text = (
        _environment(report.units)
        .get_template("page.html.jinja")
        .render(
            content,
            report=report,
            heading=f"{suite}: {first.task}" if first else suite,
            source=source,
            file=Path(source).name,
            when=datetime.now(timezone.utc),
            notes=_notes(report.results),
            links=_LINKS,
            sections=[name for name in _LINKS if name in _ALWAYS or content[name]],
            style=_read("page.css"),
            script=script,
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _content(report: EvaluationReport) -> dict[str, Any]:
    """Returns what the sections show, by section, and what several of them need."""
    success = success_by_engine(report)
    faults = [row for r in report.results if r.suite == SUITE for row in fault_rows(r)]
    failed = any(of.failures for of in success)
    return {
        "verdict": verdict_of(report.bounds),
        "gate": report.bounds,
        "success": success,
        "kinds_of_failure": list(dict.fromkeys(kind for of in success for kind in of.failures)),
        "failures": failures_chart(report.results) if failed else None,
        "faults": {"heads": HEADS, "rows": faults} if faults else None,
        "pushes": pushes_section(report.results),
        "settings": settings_section(report.results),
        "measures": metrics_of(report.results),
        "worst": worst_section(report),
        "trials": trial_tables(report),
        "terms": _terms(report.contract) if report.contract else [],
    }


def _terms(contract: Contract) -> list[tuple[Any, int, Any]]:
    """Returns each term of the contract's observation, its size, and what is known of it."""
    return [
        (term, size, TERMS.find(term.name))
        for term, size in zip(contract.observations, contract.term_sizes)
    ]


def _notes(results: Sequence[SuiteResult]) -> list[str]:
    """Returns what a reader must know before any figure."""
    notes = []
    for result in results:
        engine, finished = engine_name(result.engine), len(result.trials)
        if finished < result.planned and not result.interrupted:  # whose note says so
            notes.append(f"{engine}: {finished} of {result.planned} planned trials finished.")
        if result.note:
            notes.append(f"{engine}: {result.note}")
    return notes


def _environment(units: Mapping[str, str]) -> Environment:
    """Returns the templates' environment; whatever a template inserts is escaped.

    `units` are those of the task's metrics.
    """
    environment = Environment(
        loader=PackageLoader("policies.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (number, percent, title, engine_name)
    environment.globals |= {function.__name__: function for function in functions}
    for function in (unit, with_unit):
        environment.globals[function.__name__] = partial(function, declared=units)
    environment.globals |= {"xy": _coordinate, "duration": _duration, "data_url": _data_url}
    return environment


def _read(name: str) -> str:
    return (files("policies.report") / "templates" / name).read_text(encoding="utf-8")


def _coordinate(value: float) -> str:
    return f"{round(float(value), 2):g}"


def _duration(seconds: float) -> str:
    """Returns seconds as hours and minutes, or minutes and seconds."""
    if not math.isfinite(seconds):
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
