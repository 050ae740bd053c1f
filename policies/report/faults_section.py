"""The section about faults: what fired, how fast, and how the robot ended."""

from policies.faults.fault_table import HEADS, fault_rows
from policies.faults.suite import SUITE
from policies.report.blocks import Column, paragraph, section, table
from policies.report.evaluation_report import Evaluation
from policies.report.markup import Markup


def faults_section(evaluation: Evaluation) -> Markup | None:
    """The section; None where no fault was met."""
    rows = [row for r in evaluation.results if r.suite == SUITE for row in fault_rows(r)]
    if not rows:
        return None
    columns = [Column(head, figures=head in HEADS[2:4]) for head in HEADS]
    return section(
        "faults",
        "What each fault did",
        paragraph("A dash: no reaction was declared, or none was due.", class_="by"),
        table("Reactions and ends, by fault", columns, rows),
    )
