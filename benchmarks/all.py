"""Runs every benchmark of this folder and prints one table."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from figures import Figure, parse_arguments, report

HERE = Path(__file__).parent
NO_SCRIPTS = ("against.py", "all.py", "figures.py", "peers.py")
SCRIPTS = sorted(path for path in HERE.glob("*.py") if path.name not in NO_SCRIPTS)


def main() -> int:
    """Prints all figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    figures: list[Figure] = []
    broken = []
    for script in SCRIPTS:
        print(f"running {script.name} …", file=sys.stderr, flush=True)
        command = [sys.executable, str(script), "--json", *["--quick"] * arguments.quick]
        # A script returns 1 when a target is missed, which the table shows.
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        figures += [_figure(row) for row in rows]
        if not rows or done.returncode not in (0, 1):
            broken.append(script.name)
    code = report(figures, arguments.json)
    for name in broken:
        print(f"{name} ended without all of its figures", file=sys.stderr)
    return 1 if broken else code


def _figure(row: dict[str, Any]) -> Figure:
    return Figure(**{field.name: row[field.name] for field in fields(Figure)})


if __name__ == "__main__":
    sys.exit(main())
