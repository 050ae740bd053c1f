"""Runs every benchmark of this folder; prints one table, and writes the page of figures.

python benchmarks/all.py [--quick] [--page docs/figures.md] [SCRIPT.py ...]
python benchmarks/all.py --against COMMIT [--rounds N] [--quick] [SCRIPT.py ...]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from figures import Figure, cells, report
from figures.comparison import against

HERE = Path(__file__).parent
SCRIPTS = sorted(path for path in HERE.glob("*.py") if path.name != "all.py")
COLUMNS = ("what", "value", "target", "peer", "ok")


def main() -> int:
    """Prints all figures; returns 0 if all targets are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", help="names of benchmarks; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON row per figure")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--page", type=Path, help="Markdown page whose tables are written anew")
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit, in turns")
    parser.add_argument("--rounds", type=int, default=3, help="runs on either side of --against")
    arguments = parser.parse_intermixed_args()
    wanted = arguments.scripts or [path.name for path in SCRIPTS]
    if arguments.against:
        compared = against(arguments.against, wanted, arguments.rounds, arguments.quick)
        return report(list(compared), arguments.json)
    tables: dict[str, list[Figure]] = {}
    broken = []
    for name in wanted:
        print(f"running {name} …", file=sys.stderr, flush=True)
        command = [sys.executable, str(HERE / name), "--json", *["--quick"] * arguments.quick]
        # A script ends with 1 when it misses a target, which the table shows.
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not rows or done.returncode not in (0, 1):
            broken.append(name)
        else:
            tables[name] = [_figure(row) for row in rows]
    code = report([figure for figures in tables.values() for figure in figures], arguments.json)
    if arguments.page is not None:
        today = datetime.now(timezone.utc).date().isoformat()
        page = with_tables(arguments.page.read_text(), tables, f"Measured on {today}.")
        arguments.page.write_text(page)
    for name in broken:
        print(f"{name} ended without all of its figures", file=sys.stderr)
    return 1 if broken else code


def with_tables(page: str, tables: Mapping[str, Iterable[Figure]], note: str) -> str:
    """Returns the page with the tables of some scripts replaced; those of others stay.

    A table stands between the lines `<!-- SCRIPT: begin -->` and `<!-- SCRIPT: end -->`.

    Raises:
        ValueError: the page has no place for a script's table.
    """
    for script, figures in tables.items():
        begin, end = f"<!-- {script}: begin -->\n", f"<!-- {script}: end -->\n"
        if begin not in page or end not in page:
            raise ValueError(f"the page has no lines {begin!r} and {end!r}")
        rows = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, figures)]
        table = "".join(f"| {' | '.join(map(_escaped, row))} |\n" for row in rows)
        before, after = page.partition(begin)[0], page.partition(end)[2]
        page = f"{before}{begin}\n{table}\n{note}\n\n{end}{after}"
    return page


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def _figure(row: dict[str, Any]) -> Figure:
    return Figure(**{field.name: row[field.name] for field in fields(Figure)})


if __name__ == "__main__":
    sys.exit(main())
