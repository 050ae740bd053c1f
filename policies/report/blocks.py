"""What every section of the page is built of: headings, tables, folded parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.evaluation.quantities import title, unit
from policies.report.markup import Child, Markup, element, join

Row = Sequence[Child]


@dataclass(frozen=True)
class Column:
    """A column's heading, and whether it holds figures (set to the right)."""

    heading: Child
    figures: bool = True


def section(name: str, heading: str, *children: Child) -> Markup:
    """A part of the page that can be linked to."""
    title = element("h2", heading, id=f"{name}-title")
    return element("section", title, *children, id=name, aria_labelledby=f"{name}-title")


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    *,
    sorts: bool = False,
    narrow: bool = False,
) -> Markup:
    """A table that scrolls sideways on its own where the screen is narrow.

    Args:
        caption: what it holds, read to those who cannot see it.
        columns: headings.
        rows: cells; the first of each names its row.
        sorts: a reader may order it by a column, where scripts run.
        narrow: it takes no more room than its cells need.
    """
    heads = [element("th", c.heading, scope="col", class_=_class(c)) for c in columns]
    body = [_row(columns, row) for row in rows]
    return element(
        "div",
        element(
            "table",
            element("caption", caption, class_="hidden"),
            element("thead", element("tr", *heads)),
            element("tbody", *body),
            class_="sorts" if sorts else None,
        ),
        class_="wide narrow" if narrow else "wide",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def pairs(rows: Iterable[tuple[Child, Child]]) -> Markup:
    """Names with their values."""
    return element("dl", *(join(element("dt", name), element("dd", value)) for name, value in rows))


def folded(summary: Child, *children: Child) -> Markup:
    """A part that opens on demand."""
    return element("details", element("summary", summary), *children)


def paragraph(*children: Child, class_: str | None = None) -> Markup:
    """Running text."""
    return element("p", *children, class_=class_)


def code(text: str) -> Markup:
    """A name or command line; one click selects the whole of it."""
    return element("code", text)


def command_line(text: str) -> Markup:
    """A command line that breaks before its options, where it must, and not within them."""
    first, *options = text.split(" --")
    pieces = [first, *(f"--{option}" for option in options)]
    spans = [element("span", piece) for piece in pieces]
    spaced = [piece for span in spans for piece in (" ", span)][1:]
    return element("code", *spaced, class_="line")


def mark(good: bool, word: str) -> Markup:
    """A verdict by sign, word and colour."""
    sign = element("span", "✓" if good else "✗", aria_hidden="true")
    return element("span", sign, " ", word, class_="good" if good else "fail")


def named(name: str) -> Markup:
    """A quantity with its unit, for a table."""
    shown = element("span", unit(name), class_="unit") if unit(name) else None
    return element("span", title(name), " " if shown else None, shown, class_="quantity")


def _row(columns: Sequence[Column], row: Row) -> Markup:
    first, *others = row
    cells = [element("th", first, scope="row", class_=_class(columns[0]))]
    cells += [element("td", cell, class_=_class(c)) for c, cell in zip(columns[1:], others)]
    return element("tr", *cells)


def _class(column: Column) -> str | None:
    return "num" if column.figures else None
