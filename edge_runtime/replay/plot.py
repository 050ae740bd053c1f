"""Draws a replay: estimate, reference, ±3 sigma and health over time."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.measurement import GnssFix
from edge_runtime.replay.errors_against_reference import Errors, summary
from edge_runtime.replay.readers import Log
from edge_runtime.replay.replay_log import EstimateSeries
from edge_runtime.signals import Bool, Float

_INK, _SOFT, _GRID = "#0f172a", "#64748b", "#e2e8f0"
_ESTIMATE, _TRUTH, _BAND = "#2563eb", "#f59e0b", "#93c5fd"
_ODOMETRY = "#9333ea"
_HEALTH = {
    Health.LOST: "#dc2626",
    Health.INITIALISING: "#cbd5e1",
    Health.DEGRADED: "#fbbf24",
    Health.GOOD: "#22c55e",
}
# What the colours above become in a reader's dark scheme; matplotlib writes them inline.
_DARK = {
    "#ffffff": "#19202a",
    _INK: "#e7ecf3",
    _SOFT: "#a3afc0",
    _GRID: "#303a48",
    _ESTIMATE: "#66a3ff",
    _BAND: "#3b6fb5",
    _ODOMETRY: "#c58bff",
}
_POINTS = 1600  # of a line; more than its pixels
_DEGREES = 180.0 / math.pi
_HIDDEN = 1e3  # standard deviation of what an estimator does not estimate, at least


def picture(
    log: Log, estimator: str, run: EstimateSeries, errors: Errors | None, kind: str = "svg"
) -> bytes:
    """Draws a replay.

    Args:
        log: the recording, of which the fixes are drawn.
        estimator: its name, for the title.
        run: the estimates.
        errors: against the reference, if there is one.
        kind: the kind of the file, as matplotlib names it.

    Returns:
        The picture as a file's content.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib  # noqa: PLC0415  an optional extra
    from matplotlib.figure import Figure  # noqa: PLC0415  without a window

    style: Any = {
        "font.size": 9,
        "axes.edgecolor": _GRID,
        "axes.labelcolor": _SOFT,
        "text.color": _INK,
        "xtick.color": _SOFT,
        "ytick.color": _SOFT,
        "svg.hashsalt": "sim2edge",  # the same picture from the same run
    }
    with matplotlib.rc_context(style):
        figure = Figure(facecolor="white")
        _draw(figure, log, estimator, run, errors)
        content = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(content, format=kind, dpi=110, metadata=metadata)
    return _styled(content.getvalue()) if kind == "svg" else content.getvalue()


def _styled(svg: bytes) -> bytes:
    """Returns the picture as wide as the page at most, in the reader's light or dark scheme."""
    dark = "".join(
        f'[style*="{what}: {light}"] {{ {what}: {dark} !important; }}\n'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    style = (
        "<style>svg { max-width: 100%; height: auto; }\n"
        f"@media (prefers-color-scheme: dark) {{\n{dark}}}</style>"
    )
    head, defs, rest = svg.decode().partition("<defs>")
    return f"{head}{style}\n{defs}{rest}".encode()


def _draw(
    figure: Any, log: Log, estimator: str, run: EstimateSeries, errors: Errors | None
) -> None:
    panels = _panels(run, errors)
    moves = bool(_sigma(run)[:, 3].min() < _HIDDEN)
    rows = len(panels) + moves
    height = 2.2 + 2.05 * rows
    figure.set_size_inches(12.5, height)
    grid = figure.add_gridspec(
        rows + 1, 3, height_ratios=[*[1.0] * rows, 0.11], hspace=0.6, wspace=0.2,
        left=0.055, right=0.98, top=1.0 - 1.6 / height, bottom=0.5 / height,
    )  # fmt: skip
    title = f"Replay of {(log.name or 'a log').replace('_', ' ')} through the {estimator} estimator"
    figure.text(0.055, 1.0 - 0.42 / height, title, fontsize=16, fontweight="bold", parse_math=False)
    line = "no reference, so errors are unknown"
    if errors is not None:
        line = "     ".join(f"{s.what} {s.value:.3g} {s.unit}" for s in summary(errors, run))
    figure.text(0.055, 1.0 - 0.7 / height, line, color=_SOFT, fontsize=9.5)
    known = np.cumsum(run.health > Health.INITIALISING) > 0
    stamp = run.stamp - run.stamp[0]
    for row, of_row in enumerate(panels):
        for column, panel in enumerate(of_row):
            _panel(figure.add_subplot(grid[row, column]), panel, stamp, known)
    if moves:
        _path(figure.add_subplot(grid[len(panels), 0]), log, run, errors)
        for column, panel in enumerate(_position(run, errors)):
            _panel(figure.add_subplot(grid[len(panels), column + 1]), panel, stamp, known)
    _health(figure.add_subplot(grid[rows, :]), stamp, run)
    _legend(figure, height, run, errors is not None)


@dataclass(frozen=True)
class _Panel:
    """Describes one curve over time; all arrays are (K,)."""

    title: str
    estimate: Float
    sigma: Float
    truth: Float | None = None
    odometry: Float | None = None
    is_error: bool = False  # around zero, with the band around zero too
    wraps: bool = False  # at +-180


def _panels(run: EstimateSeries, errors: Errors | None) -> list[list[_Panel]]:
    """Returns the panels, in rows of three."""
    sigma = _sigma(run)
    angles = _euler(run.attitude)
    centre = _mean_angles(angles)
    angles = _around(centre, angles)
    truth = None if errors is None else _around(centre, _euler(errors.truth.attitude))
    by_heading = _sigma_by_heading(run)
    rows = [
        [
            _Panel(f"{name} [°]", angles[:, k], by_heading[:, k], _column(truth, k), wraps=True)
            for k, name in enumerate(("roll", "pitch", "yaw"))
        ]
    ]
    if errors is not None:
        names = ("tilt error about x", "tilt error about y", "heading error")
        rows.append(_error_row(names, "°", _DEGREES * errors.rotation, _DEGREES * sigma[:, :3]))
    if sigma[:, 3].min() >= _HIDDEN:
        return rows
    if errors is None:
        velocity, spread, true, frame = run.velocity, sigma[:, 3:6], None, ""
    else:
        velocity, spread, true = errors.estimated_velocity, errors.velocity_sigma, errors.velocity
        true = velocity + true
        frame = "" if errors.absolute else ", body frame"
    rows.append(
        [
            _Panel(f"velocity {axis}{frame} [m/s]", velocity[:, k], spread[:, k], _column(true, k))
            for k, axis in enumerate("xyz")
        ]
    )
    if errors is not None:
        of_axes = tuple(f"velocity error {axis}{frame}" for axis in "xyz")
        rows.append(_error_row(of_axes, "m/s", errors.velocity, spread))
    return rows


def _error_row(names: tuple[str, ...], unit: str, error: Float, sigma: Float) -> list[_Panel]:
    return [
        _Panel(f"{name} [{unit}]", error[:, k], sigma[:, k], is_error=True)
        for k, name in enumerate(names)
    ]


def _position(run: EstimateSeries, errors: Errors | None) -> list[_Panel]:
    sigma = _sigma(run)[:, 6:]
    if errors is None or not np.isfinite(errors.position).any():
        continuous = _odometry(run)
        return [
            _Panel(
                f"position {axis} [m]",
                run.position[:, k],
                sigma[:, k],
                odometry=_column(continuous, k),
            )
            for k, axis in enumerate("xy")
        ]
    return _error_row(("position error x", "position error y"), "m", errors.position, sigma)


def _panel(axes: Any, panel: _Panel, stamp: Float, settled: Bool) -> None:
    """Draws a panel; its range is that of the settled estimator."""
    known = np.isfinite(panel.estimate)
    axes.set_title(panel.title, loc="left", fontsize=9.5, color=_INK, pad=5)
    _plain(axes)
    axes.set_xlim(stamp[0], stamp[-1])
    axes.set_xlabel("time [s]", fontsize=8, labelpad=1)
    if not known.any():
        axes.text(0.5, 0.5, "reference unknown", color=_SOFT, transform=axes.transAxes, ha="center")
        return
    shown = settled & known if (settled & known).any() else known
    middle = 0.0 if panel.is_error else panel.estimate
    at, low, high = _thin(stamp, middle - 3.0 * panel.sigma, middle + 3.0 * panel.sigma)
    axes.fill_between(at, low, high, color=_BAND, alpha=0.4, linewidth=0, zorder=1)
    if panel.truth is not None:
        axes.plot(*_line(stamp, panel.truth, panel.wraps), color=_TRUTH, linewidth=2.2, zorder=2)
    if panel.odometry is not None:
        axes.plot(*_line(stamp, panel.odometry, False), color=_ODOMETRY, linewidth=0.9, zorder=3)
    axes.plot(*_line(stamp, panel.estimate, panel.wraps), color=_ESTIMATE, linewidth=0.9, zorder=3)
    if panel.is_error:
        axes.axhline(0.0, color=_SOFT, linewidth=0.6, zorder=2)
        reach = max(
            float(np.nanquantile(np.abs(panel.estimate[shown]), 0.998)),
            3.3 * float(np.nanmedian(panel.sigma[shown])),
        )
        axes.set_ylim(-1.15 * reach, 1.15 * reach)
    else:
        curves = panel.estimate[shown]
        for other in (panel.truth, panel.odometry):
            if other is not None and np.isfinite(other).any():
                curves = np.append(curves, other[shown])
        least, most = np.nanquantile(curves, (0.0005, 0.9995)).tolist()
        margin = max(0.08 * (most - least), 3.3 * float(np.nanmedian(panel.sigma[shown])), 1e-3)
        axes.set_ylim(least - margin, most + margin)


def _path(axes: Any, log: Log, run: EstimateSeries, errors: Errors | None) -> None:
    axes.set_title("path from above", loc="left", fontsize=9.5, color=_INK, pad=5)
    axes.set_xlabel("x [m]", fontsize=8, labelpad=1)
    axes.set_ylabel("y [m]", fontsize=8, labelpad=1)
    _plain(axes)
    fixes = [m.position for m in log.measurements if isinstance(m, GnssFix)]
    if fixes:
        east, north = np.array(fixes)[:, :2].T
        axes.plot(east, north, ".", color=_SOFT, markersize=2, alpha=0.6, zorder=1)
    if errors is not None:
        axes.plot(*errors.truth.position[:, :2].T, color=_TRUTH, linewidth=2.2, zorder=2)
    known = np.cumsum(run.health > Health.INITIALISING) > 0
    continuous = _odometry(run)
    if continuous is not None:
        axes.plot(*continuous[known].T, color=_ODOMETRY, linewidth=1.0, zorder=2.5)
    axes.plot(*run.position[known, :2].T, color=_ESTIMATE, linewidth=1.2, zorder=3)
    axes.set_aspect("equal", adjustable="datalim")


def _odometry(run: EstimateSeries) -> Float | None:
    """Returns the continuous path, (K, 2) m, or None without one.

    It is drawn from the place and the heading that the estimate has when it is first known.
    """
    attitude, position = run.odometry_attitude, run.odometry_position
    if attitude is None or position is None:
        return None
    first = int(np.argmax(run.health > Health.INITIALISING))
    turn = np.radians(_euler(run.attitude[[first]]) - _euler(attitude[[first]]))[0, 2]
    c, s = math.cos(turn), math.sin(turn)
    gone = (position - position[first])[:, :2] @ np.array([[c, s], [-s, c]])
    return run.position[first, :2] + gone


def _health(axes: Any, stamp: Float, run: EstimateSeries) -> None:
    """Draws a strip, coloured by the worst health of each moment."""
    count = min(_POINTS, len(stamp))
    edges = np.linspace(0, len(stamp), count + 1).astype(int)[:-1]
    worst = np.minimum.reduceat(run.health, edges)
    colors = np.array([_rgb(_HEALTH[Health(h)]) for h in range(len(Health))])
    extent = (stamp[0], stamp[-1], 0.0, 1.0)
    axes.imshow(colors[worst][None], aspect="auto", extent=extent, interpolation="nearest")
    axes.set_yticks([])
    axes.set_xlabel("time [s]", fontsize=9)
    axes.set_title("health", loc="left", fontsize=9.5, color=_INK, pad=4)
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(figure: Any, height: float, run: EstimateSeries, has_reference: bool) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415  as above
    from matplotlib.patches import Patch  # noqa: PLC0415  as above

    keys: list[Any] = [Line2D([], [], color=_ESTIMATE, linewidth=2, label="estimate")]
    if run.odometry_position is not None and _sigma(run)[:, 3].min() < _HIDDEN:
        label = "odometry, which never jumps"
        keys.append(Line2D([], [], color=_ODOMETRY, linewidth=2, label=label))
    if has_reference:
        keys.append(Line2D([], [], color=_TRUTH, linewidth=3, label="reference"))
    keys.append(Patch(facecolor=_BAND, alpha=0.5, label="±3σ"))
    keys += [
        Patch(facecolor=_HEALTH[Health(h)], label=Health(h).name.lower())
        for h in sorted(set(run.health.tolist()), reverse=True)
    ]
    figure.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(0.05, 1.0 - 0.82 / height),
        borderaxespad=0.0, borderpad=0.0,
        ncols=len(keys), frameon=False, fontsize=9, handlelength=1.4, columnspacing=1.3,
    )  # fmt: skip


def _plain(axes: Any) -> None:
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _line(stamp: Float, values: Float, wraps: bool) -> tuple[Float, Float]:
    """Returns a curve of few enough points that keeps the extremes of each moment."""
    if wraps:
        every = max(1, len(stamp) // _POINTS)
        at, curve = stamp[::every], values[::every].copy()
        curve[1:][np.abs(np.diff(curve)) > 180.0] = np.nan
        return at, curve
    at, low, high = _thin(stamp, values, values)
    return np.repeat(at, 2), np.column_stack([low, high]).ravel()


def _thin(stamp: Float, low: Float, high: Float) -> tuple[Float, Float, Float]:
    """Returns moments, the least of `low` and the most of `high` in each."""
    count = min(_POINTS, len(stamp))
    edges = np.linspace(0, len(stamp), count + 1).astype(int)[:-1]
    return stamp[edges], np.fmin.reduceat(low, edges), np.fmax.reduceat(high, edges)


def _column(values: Float | None, index: int) -> Float | None:
    return None if values is None else values[:, index]


def _sigma(run: EstimateSeries) -> Float:
    return np.sqrt(np.maximum(np.einsum("kii->ki", run.covariance), 0.0))


def _sigma_by_heading(run: EstimateSeries) -> Float:
    """Returns (K, 3) standard deviations, degrees, about body-level axes and the vertical."""
    yaw = np.radians(_euler(run.attitude)[:, 2])
    turning = run.covariance[:, :3, :3]
    forward = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    left = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    level = turning[:, :2, :2]
    about = [np.einsum("ki,kij,kj->k", axis, level, axis) for axis in (forward, left)]
    return _DEGREES * np.sqrt(np.maximum(np.stack([*about, turning[:, 2, 2]], axis=1), 0.0))


def _euler(quaternion: Float) -> Float:
    """Returns (K, 3) roll, pitch, yaw in degrees, REP-103."""
    w, x, y, z = quaternion.T
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return _DEGREES * np.stack([roll, pitch, yaw], axis=1)


def _mean_angles(degrees: Float) -> Float:
    return _DEGREES * np.angle(np.exp(1j * degrees / _DEGREES).mean(axis=0))


def _around(centre: Float, degrees: Float) -> Float:
    """Returns the same angles, within 180 degrees of the centre, so that they seldom wrap."""
    return centre + np.mod(degrees - centre + 180.0, 360.0) - 180.0


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
