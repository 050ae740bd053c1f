"""The report: one HTML file that needs nothing else, not even a network."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from edge_runtime.files import write_file
from policies.evaluation.quantities import engine_name, title
from policies.evaluation.suite_result import SuiteResult
from policies.report.blocks import code, command_line, pairs, paragraph, section
from policies.report.charts import patterns
from policies.report.evaluation_report import Evaluation
from policies.report.faults_section import faults_section
from policies.report.markup import Markup, element, join
from policies.report.measures_section import measures_section
from policies.report.policy_section import policy_section, versions
from policies.report.pushes_section import pushes_section
from policies.report.settings import settings_section
from policies.report.style import SCRIPT, STYLE
from policies.report.trials import trials_section, worst_section
from policies.report.verdict import gate_section, success_section, verdict

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


def write_report(path: Path, evaluation: Evaluation) -> Path:
    """Write the page; it appears only once it is whole.

    Args:
        path: where, ending in .html.
        evaluation: what it tells.

    Returns:
        The path.

    Raises:
        UserError: it cannot be written there; what was at `path` is still there.
    """
    write_file(path, page(evaluation))
    return path


def page(evaluation: Evaluation) -> str:
    """The page's text."""
    results = evaluation.results
    first = results[0] if results else None
    suite = title(first.suite).capitalize() if first else "Evaluation"
    heading = f"{suite}: {first.task}" if first else suite
    source = first.policy if first else ""
    found = {
        "gate": gate_section(evaluation),
        "success": success_section(evaluation),
        "faults": faults_section(evaluation),
        "pushes": pushes_section(evaluation),
        "settings": settings_section(evaluation),
        "measures": measures_section(evaluation),
        "worst": worst_section(evaluation),
        "trials": trials_section(evaluation),
        "policy": policy_section(evaluation.contract, source),
        "method": _method(evaluation),
    }
    sections = {name: content for name, content in found.items() if content is not None}
    links = [element("li", element("a", _LINKS[name], href=f"#{name}")) for name in sections]
    body = join(
        patterns(),
        element(
            "header",
            element("h1", heading),
            paragraph(_subtitle(evaluation, source), class_="by"),
            verdict(evaluation),
            *(paragraph(element("strong", "Note: "), note) for note in _notes(results)),
            element("nav", element("ul", *links), aria_label="Sections"),
        ),
        element("main", *sections.values()),
        element("footer", "Written by sim2edge. This page is one file; it loads nothing."),
        element("script", Markup(SCRIPT)),
    )
    whole = element("html", _head(heading, source), element("body", body), lang="en")
    return f"<!doctype html>\n{whole}\n"


def _head(heading: str, source: str) -> Markup:
    # Nothing may be loaded, and no script but the page's own may run, whatever else came into it.
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{heading} · {Path(source).name}" if source else heading),
        element("style", Markup(STYLE)),
    )


def _subtitle(evaluation: Evaluation, source: str) -> str:
    trials = " and ".join(
        f"{len(r.trials)} trials in {engine_name(r.engine)}" for r in evaluation.results
    )
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"{source} · {trials or 'no trials'} · {when}"


def _notes(results: Sequence[SuiteResult]) -> list[str]:
    """What a reader must know before any figure."""
    notes = []
    for result in results:
        engine, finished = engine_name(result.engine), len(result.trials)
        if finished < result.planned and not result.interrupted:  # whose note says so
            notes.append(f"{engine}: {finished} of {result.planned} planned trials finished.")
        if result.note:
            notes.append(f"{engine}: {result.note}")
    return notes


def _method(evaluation: Evaluation) -> Markup:
    origin = evaluation.origin
    found = origin.get("versions")
    rows = [
        ("command", command_line(evaluation.command) if evaluation.command else "not told"),
        ("commit", code(str(origin.get("commit", "unknown")))),
        ("hardware", str(origin.get("hardware", "not told"))),
        ("versions", versions(found) if isinstance(found, dict) else "not told"),
    ]
    seeds = dict.fromkeys(str(r.seed) for r in evaluation.results)
    sources = dict.fromkeys(r.source for r in evaluation.results if r.source)
    rows += [("seed", ", ".join(seeds))] * bool(seeds)
    rows += [("suite file", code(", ".join(sources)))] * bool(sources)
    return section(
        "method",
        "How it was made",
        pairs(rows),
        paragraph(
            "Every trial is drawn from seeds that no training can have, and its command line "
            "repeats it exactly on the same versions and hardware. Intervals of shares are "
            "Wilson's at 95 %; they hold for one engine's trials as drawn, not for reality. "
            "Medians and quantiles are over trials in which a figure is known; a dash stands "
            "where it is not."
        ),
    )
