"""Shows how a training goes: a live table on a terminal, plain lines elsewhere."""

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

LINE_SECONDS = 10.0  # between two plain lines
RATE_WINDOW = 20  # iterations that steps/s is averaged over


class TrainProgress:
    """Measures how far a training of `total` steps is, and how fast it goes."""

    def __init__(self, steps: int, total: int) -> None:
        self.steps, self.total = steps, total
        self._marks = deque([(time.monotonic(), steps)], maxlen=RATE_WINDOW)
        self.means: Mapping[str, float] = {}

    def take(self, steps: int, means: Mapping[str, float]) -> None:
        """Notes an iteration that ended just now."""
        self.steps, self.means = steps, means
        self._marks.append((time.monotonic(), steps))

    @property
    def rate(self) -> float:
        """Returns the steps per second over the last `RATE_WINDOW` iterations; 0 before there are
        two."""
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / (end - start) if end > start else 0.0

    @property
    def time_left(self) -> str:
        """Returns the time until all steps are done, as minutes:seconds; "?" while the rate is
        unknown."""
        if not self.rate:
            return "?"
        minutes, seconds = divmod(round(max(0, self.total - self.steps) / self.rate), 60)
        return f"{minutes}:{seconds:02d}"

    @property
    def headline(self) -> dict[str, str]:
        """Returns the figures that matter most, as texts by name."""
        line = {
            "steps": f"{self.steps:,} of {self.total:,}",
            "steps/s": f"{self.rate:,.0f}",
            "time left": self.time_left,
        }
        if "episode/return" in self.means:
            line["return"] = f"{self.means['episode/return']:.2f}"
            line["survival"] = f"{self.means['episode/survival']:.0%}"
        return line

    def group(self, prefix: str) -> dict[str, float]:
        """Returns the means under a prefix, which is left out of their names."""
        return {k.removeprefix(prefix): v for k, v in self.means.items() if k.startswith(prefix)}


def make_display(title: str, folder: Path) -> "LiveTable | PlainLines":
    """Returns a live table on a terminal that can move its cursor, plain lines elsewhere."""
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal
    return LiveTable(console, title, folder) if live else PlainLines(title, folder)


class PlainLines:
    """Prints a line every ten seconds, for logs."""

    def __init__(self, title: str, folder: Path) -> None:
        self._opening = f"{title} in {folder}"
        self._printed = float("-inf")
        self._latest: TrainProgress | None = None

    def __enter__(self) -> "PlainLines":
        print(self._opening, flush=True)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._latest is not None:
            self._print(self._latest)

    def show(self, progress: TrainProgress) -> None:
        """Prints a line, if the last one was at least `LINE_SECONDS` ago."""
        self._latest = progress
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._print(progress)

    def _print(self, progress: TrainProgress) -> None:
        self._printed, self._latest = time.monotonic(), None
        parts = [f"{name} {value}" for name, value in progress.headline.items()]
        terms, metrics = progress.group("reward/"), progress.group("metric/")
        # A metric of a reward term's name does not stand in its place.
        terms |= {f"measured {n}" if n in terms else n: v for n, v in metrics.items()}
        parts += [f"{name} {value:.3g}" for name, value in terms.items()]
        print(" | ".join(parts), flush=True)


class LiveTable:
    """Draws a progress bar above a table of returns, reward terms and metrics."""

    def __init__(self, console: Console, title: str, folder: Path) -> None:
        self._title, self._folder = title, folder
        self._live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> "LiveTable":
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, progress: TrainProgress) -> None:
        """Draws the table anew."""
        self._live.update(self._draw(progress))

    def _draw(self, progress: TrainProgress) -> RenderableType:
        head = Table(title=f"{self._title}  [dim]{self._folder}[/dim]", title_justify="left")
        for name in progress.headline:
            head.add_column(name, justify="right")
        head.add_row(*progress.headline.values())
        bar = ProgressBar(total=progress.total, completed=progress.steps)
        columns = Table.grid(padding=(0, 4))
        columns.add_row(
            _means("reward term", progress.group("reward/")),
            _means("metric", progress.group("metric/")),
        )
        return Group(head, bar, columns)


def _means(title: str, values: Mapping[str, float]) -> Table:
    table = Table(box=None)
    table.add_column(title)
    table.add_column("mean", justify="right")
    for name, value in values.items():
        table.add_row(name, f"{value:+.4f}")
    return table
