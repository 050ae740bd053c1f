"""Prints every setting of commands, tasks, suites, ROS nodes and estimators as Markdown.

python -m sim2edge.settings_reference > settings.md
"""

import dataclasses
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from edge_runtime.config.config_file import to_json
from edge_runtime.config.fields import described
from sim2edge.commands import COMMANDS

_HEAD = "| setting | default | meaning |\n|---|---|---|"
_FILES = """Every command takes its settings as options, and from a JSON or TOML file by
`--config FILE`; there each dot is a table. What `train`, `run`, `eval` and `fuse` write
(`config.json`, `report.json`, the result of `--json`) is such a file. An option comes before the
file, the file before the default. A number in a file may say its unit, which is then checked:
`speed = { value = 2, unit = "m/s" }`."""


def reference() -> str:
    """Returns all settings as Markdown, a table for each thing that has some."""
    parts = ["# Settings", _FILES, "## Commands"]
    for name, command in COMMANDS.items():
        config = getattr(import_module(command.module), command.config)
        options = table(config, "--")
        for field in command.positional:
            options = options.replace(f"| `--{field}` |", f"| `{field.upper()}` |")
        parts += [f"### sim2edge {name}", options]
        if name == "train":
            parts += [
                "A task's recipe has other defaults, which `sim2edge train TASK --help` shows."
            ]
    tasks = import_module("sim.tasks")
    parts += ["## Tasks", "`sim2edge train TASK` takes these too."]
    for name in sorted(tasks.TASKS):
        task = tasks.find_task(name)
        parts += [f"### {name}", table(type(task), "--task.", task)]
    gauntlets = import_module("policies.gauntlet.trial_env").GAUNTLETS
    parts += ["## Suite files", "`sim2edge eval --suite FILE` changes the gauntlet by these keys."]
    for name in gauntlets:
        parts += [f"### [{name}]", table(type(gauntlets.find(name).protocol), "")]
    nodes = import_module("sim2edge_ros.settings.parameters").NODES
    parts += ["## ROS nodes"]
    for name, parameters in nodes.items():
        parts += [f"### {name}", table(parameters, "")]
    parts += [
        "## Estimators",
        "A robot's description has these under `legged.estimator` and `wheeled.estimator`.",
    ]
    for name in ("legged.config.LeggedConfig", "wheeled.config.WheeledConfig"):
        module, _, kind = f"edge_runtime.fusion.{name}".rpartition(".")
        parts += [f"### {kind}", table(getattr(import_module(module), kind), "")]
    return "\n\n".join(parts) + "\n"


def table(kind: type[Any], prefix: str, config: Any = None) -> str:
    """Returns the settings of a dataclass and those within, a row each.

    Args:
        kind: the dataclass.
        prefix: what stands before a setting's name: "--" or "--task." for options.
        config: where the defaults come from, if not the fields' own.
    """
    rows = [_HEAD]
    for name, default, text in _rows(kind, config, ""):
        shown = name.replace("_", "-") if prefix.startswith("-") else name
        rows.append(f"| `{prefix}{shown}` | {default} | {text} |")
    return "\n".join(rows)


def _rows(kind: Any, config: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Returns name, default and meaning of every setting; a blank default for one that must be
    given."""
    for field in dataclasses.fields(kind):
        name, default = f"{path}{field.name}", field.default
        if config is not None:
            default = getattr(config, field.name)
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if dataclasses.is_dataclass(default):
            yield from _rows(type(default), default, f"{name}.")
            continue
        shown = "" if default is dataclasses.MISSING else f"`{json.dumps(to_json(default))}`"
        # Weights of rewards, say, have one sentence for all.
        text = described(kind, field) or (kind.__doc__ or "").partition("\n")[0]
        yield name, shown, text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
