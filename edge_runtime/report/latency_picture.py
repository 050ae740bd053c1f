"""Draws the distribution of latencies: one ridge a stage on a logarithmic time axis."""

import math
from collections.abc import Sequence
from html import escape

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.latency_histogram import LatencyHistogram, bin_edges
from edge_runtime.report.run_report import Row, rows

_WIDTH, _LEFT, _RIGHT, _TOP, _RIDGE = 960, 96, 236, 112, 58  # px
_PER_DECADE = 40  # points of a ridge in a decade
_COLORS = ("#4e79a7", "#59a14f", "#e8833a", "#b07aa1", "#d4a72c", "#64748b", "#94a3b8")
# As wide as the page, but no wider than drawn; colours follow the reader's scheme.
_STYLE = """<style>
svg { max-width: 100%; height: auto; }
.paper { fill: #fff; } .ink { fill: #0f172a; } .soft { fill: #64748b; } .late { fill: #dc2626; }
.grid { stroke: #e2e8f0; } .base { stroke: #cbd5e1; } .limit { stroke: #dc2626; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #19202a; } .ink { fill: #e7ecf3; } .soft { fill: #a3afc0; }
  .late { fill: #ff7b72; }
  .grid { stroke: #303a48; } .base { stroke: #48566a; } .limit { stroke: #ff7b72; }
}
</style>"""
_TICKS = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)  # ns


def latency_svg(loop: ControlLoop) -> str:
    """Returns an SVG document; a ridge's height is the logarithm of its counts, so tails show."""
    lines = rows(loop)
    histograms = [*loop.budget.stages, loop.budget.tick, loop.budget.wake_up]
    largest = max(h.max for h in histograms)
    axis = _Axis(1e3, 10 ** math.ceil(math.log10(max(1.6 * loop.period, 1.3 * largest))))
    bottom = _TOP + _RIDGE * len(lines)
    contract = loop.controller.contract
    title = f"{contract.task} on {loop.robot.description.name} at {1e9 / loop.period:g} Hz"
    missed = "no deadline missed" if not loop.budget.missed else f"{loop.budget.missed} missed"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 64}" '
        f'width="{_WIDTH}" height="{bottom + 64}" '
        'font-family="Inter, Helvetica, Arial, DejaVu Sans, sans-serif" font-size="13">',
        _STYLE,
        f'<rect class="paper" width="{_WIDTH}" height="{bottom + 64}"/>',
        f'<text class="ink" x="24" y="38" font-size="20" font-weight="600">{escape(title)}</text>',
        f'<text class="soft" x="24" y="62">{loop.ticks:,} ticks, {missed}. '
        "Height: logarithm of the count. Red mark: the stage’s share of the budget.</text>",
        *_grid(axis, bottom, loop.period),
        f'<text class="soft" x="{_WIDTH - 24}" y="{_TOP - 12}" text-anchor="end" '
        'font-size="12">p50 · p99 · p99.9 · max in µs</text>',
    ]
    for index, (row, histogram) in enumerate(zip(lines, histograms)):
        parts += _ridge(row, histogram, axis, _TOP + _RIDGE * (index + 1), _COLORS[index])
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Maps time, ns, to a logarithmic axis, px."""

    def __init__(self, lowest: float, highest: float) -> None:
        self.lowest, self.highest = lowest, highest
        self._scale = (_WIDTH - _LEFT - _RIGHT) / math.log10(highest / lowest)

    def __call__(self, duration: float) -> float:
        inside = min(max(duration, self.lowest), self.highest)
        return round(_LEFT + self._scale * math.log10(inside / self.lowest), 1)


def _grid(axis: _Axis, bottom: int, period: int) -> list[str]:
    parts = []
    for duration in (t for t in _TICKS if t <= axis.highest):
        x = axis(duration)
        parts.append(f'<path class="grid" d="M{x} {_TOP - 4}V{bottom}"/>')
        parts.append(
            f'<text class="soft" x="{x}" y="{bottom + 22}" text-anchor="middle">'
            f"{_duration(duration)}</text>"
        )
    x = axis(period)
    parts.append(
        f'<path class="limit" d="M{x} {_TOP - 4}V{bottom}" stroke-dasharray="5 4"/>'
        f'<text class="late" x="{x}" y="{_TOP - 12}" text-anchor="middle" font-size="12">'
        f"deadline {_duration(period)}</text>"
    )
    return parts


def _ridge(row: Row, histogram: LatencyHistogram, axis: _Axis, base: int, color: str) -> list[str]:
    heights = _heights(histogram, axis)
    tallest = max(heights) or 1.0
    points = [
        f"{axis(axis.lowest * 10 ** (i / _PER_DECADE))} "
        f"{round(base - (_RIDGE - 12) * height / tallest, 1)}"
        for i, height in enumerate(heights)
    ]
    weight = "600" if row.name == "tick" else "400"
    figures = " · ".join(_micro(v) for v in (row.p50, row.p99, row.p999, row.max))
    parts = [
        f'<path d="M{_LEFT} {base}L{"L".join(points)}L{_WIDTH - _RIGHT} {base}Z" fill="{color}" '
        f'fill-opacity="0.35" stroke="{color}" stroke-width="1.4" stroke-linejoin="round"/>',
        f'<path class="base" d="M{_LEFT} {base}H{_WIDTH - _RIGHT}"/>',
        f'<text class="ink" x="{_LEFT - 14}" y="{base - 8}" text-anchor="end" '
        f'font-weight="{weight}">{row.name}</text>',
        f'<text class="ink" x="{_WIDTH - 24}" y="{base - 8}" text-anchor="end" '
        f'font-weight="{weight}">{figures}</text>',
    ]
    if row.limit is not None:
        x = axis(row.limit)
        parts.append(f'<path class="limit" d="M{x} {base - 16}V{base}" stroke-width="2.5"/>')
    return parts


def _heights(histogram: LatencyHistogram, axis: _Axis) -> Sequence[float]:
    decades = math.log10(axis.highest / axis.lowest)
    counts = [0.0] * (round(decades * _PER_DECADE) + 1)
    for index, count in enumerate(histogram.counts):
        if count:
            lower, upper = bin_edges(index)
            place = math.log10(max((lower + upper) / 2, axis.lowest) / axis.lowest)
            counts[min(round(place * _PER_DECADE), len(counts) - 1)] += count
    return [math.log1p(count) for count in counts]


def _duration(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:g} {unit}"
    return f"{ns:g} ns"


def _micro(ns: int) -> str:
    return f"{ns / 1e3:.0f}"
