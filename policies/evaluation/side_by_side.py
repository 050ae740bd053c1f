"""Tabulates what was measured, the engines side by side, with the spread over trials."""

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from policies.evaluation.measures import Values, mean_of_known
from policies.evaluation.quantities import unit


def side_by_side(figures: Mapping[str, Mapping[str, Values]], units: Mapping[str, str]) -> Table:
    """Returns the table.

    Args:
        figures: what each episode or trial measured, by engine and name; NaN where it has none.
        units: the units of the task's metrics, by name.
    """
    table = Table()
    table.add_column("")
    several = len(figures) > 1
    for engine in figures:
        heads = (engine, "5 to 95 %") if several else ("mean", "5 %", "median", "95 %")
        for head in heads:
            table.add_column(head, justify="right")
    for name in dict.fromkeys(name for measured in figures.values() for name in measured):
        cells: list[str] = []
        for measured in figures.values():
            cells += _cells(measured.get(name, np.array([])), several)
        table.add_row(_named(name, unit(name, units)), *cells)
    return table


def spread(figures: Mapping[str, Values]) -> dict[str, list[float]]:
    """Returns the 5 % and the 95 % quantile of each figure (E,) that is known and no share."""
    quantiles = {name: _quantiles(values, (0.05, 0.95)) for name, values in figures.items()}
    return {name: found for name, found in quantiles.items() if found}


def _quantiles(values: Values, shares: tuple[float, ...]) -> list[float]:
    """Returns quantiles of what is known; none of a share, which has no spread."""
    known = values[np.isfinite(values)]
    if not known.size or np.isin(known, (0.0, 1.0)).all():
        return []
    return [float(q) for q in np.quantile(known, shares)]


def _named(name: str, measured: str) -> str:
    """Returns the name by which a gate calls a figure, with its unit if the name lacks it."""
    says_unit = name.endswith(("seconds", f"_{measured.replace('/', '_')}"))
    return f"{name} [dim]{measured}[/dim]" if measured and not says_unit else name


def _cells(values: Values, several: bool) -> list[str]:
    """Returns the mean, then 5 %, median and 95 %; for several engines the mean and "5 % to 95
    %"."""
    mean = f"{mean_of_known(values):.4g}" if np.isfinite(values).any() else "–"
    quantiles = _quantiles(values, (0.05, 0.5, 0.95))
    if not quantiles:
        return [mean, ""] if several else [mean, "", "", ""]
    low, middle, high = (f"{q:.3g}" for q in quantiles)
    return [mean, f"{low} to {high}"] if several else [mean, low, middle, high]
