"""Turns a command line into a command's config: options, over the file that --config names."""

import contextlib
import dataclasses
import difflib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from edge_runtime.config.config_file import from_json
from edge_runtime.config.document import read_table
from edge_runtime.config.fields import check, described, is_required, types_of
from edge_runtime.errors import UserError
from edge_runtime.files import descriptor, is_stream
from sim2edge.commands import Subcommand

# What stands for an empty path, and for "-", until the option can be named.
_EMPTY, _DASH = "\0", "\0-"
# Options of several commands that do the same, and their names elsewhere.
_SAME = (
    ("--output", "--out", "--run-dir", "--json", "--report", "-o"),
    ("--threads", "--processes", "--jobs", "--workers", "-j"),
    ("--num-envs", "--sims", "--envs"),
    ("--seconds", "--minutes", "--duration", "--time"),
)
CONFIG = "config"  # the option, and the key of a report under which a config stands


def parse(name: str, command: Subcommand, module: ModuleType, options: list[str]) -> Any:
    """Reads the config of a command.

    Args:
        name: what the command is called.
        command: what is known of it.
        module: where it is.
        options: its command line.

    Raises:
        UserError: tyro refuses an option, the file does not fit, or a number is out of bounds.
    """
    import tyro  # noqa: PLC0415  the overview and a mistyped command need not wait for it

    kind = getattr(module, command.config)
    document, where, options = _read_config(options)
    default: Any = tyro.MISSING_NONPROP
    if hasattr(module, "defaults"):
        default, options = module.defaults(options, document, where)
    elif where:
        # What the file leaves out and has no default must be among the options.
        required = {f.name: tyro.MISSING for f in dataclasses.fields(kind) if is_required(f)}
        default = from_json(kind, document, where, kind(**required))
    registry = tyro.constructors.ConstructorRegistry()
    registry.struct_rule(_rule(kind, command))
    registry.primitive_rule(_path_rule)
    program = f"sim2edge {name}"
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), registry:
            usage = f"{program} {command.leading}".rstrip()
            leaves = list(_leaves(kind, default, "--"))
            _refuse_twice(options, {option for option, hint in leaves if _has_length(hint)})
            options = _joined(options, {option for option, hint in leaves if _is_list(hint)})
            config = tyro.cli(kind, prog=usage, args=options, default=default)
    except SystemExit as exit_:
        if exit_.code in (0, None):  # --help was asked for
            raise
        known = dict(_leaves(kind, default, "--"))
        short = {"-h", "--help", f"--{CONFIG}", *command.short.values()}
        unknown = _unknown(options, known, short)
        reason = _unknown_option(unknown, known) if unknown else _one_line(complaint.getvalue())
        raise UserError(f"{reason}; see '{program} --help'") from None
    check(config, "--")
    for option, path in _paths(config, "--"):
        if path == Path(_EMPTY):
            raise UserError(f"{option} is empty; name a file or folder")
        if path == Path(_DASH):
            raise UserError(
                f"{option}: '-' is not taken for a stream; name /dev/stdin or /dev/stdout, "
                "or ./- for a file of that name"
            )
    _refuse_overwritten(config, command)
    return config


def _refuse_overwritten(config: Any, command: Subcommand) -> None:
    """Refuses an output that would take the place of an input, or of another output."""
    named = [(option.removeprefix("--"), path) for option, path in _paths(config, "--")]
    for field in command.positional:  # some take a name or a path
        value = getattr(config, field)
        given = value if isinstance(value, tuple) else (value,)
        named += [(field, Path(v)) for v in given if v is not None]
    kept = [(name.replace("-", "_"), path) for name, path in named if _is_replaced(path)]
    files = [(name, os.path.realpath(path)) for name, path in kept]
    for output, path in files:
        others = {name for name, other in files if other == path and name != output}
        if output in command.writes and others:
            shown = " and ".join(_as_given(n, command) for n in (output, sorted(others)[0]))
            raise UserError(f"{shown} name the same file, {path}; give another")


def _is_replaced(path: Path) -> bool:
    """Returns whether an output of that name would replace a file, or make one."""
    try:
        return not (path.is_dir() or is_stream(path))
    except (OSError, ValueError):  # its reader or writer says what is wrong
        return False


def _as_given(field: str, command: Subcommand) -> str:
    return field.upper() if field in command.positional else f"--{field.replace('_', '-')}"


def _read_config(options: list[str]) -> tuple[dict[str, Any], str, list[str]]:
    """Returns what the file of --config holds, where that stands, and the other options."""
    file, rest = "", []
    words = iter(options)
    for word in words:
        option, equals, value = word.partition("=")
        if option != f"--{CONFIG}":
            rest.append(word)
            continue
        if file:
            raise UserError(f"--{CONFIG} is given twice; leave one of them out")
        file = value if equals else next(words, "")
        if not file or file.startswith("-"):
            raise UserError(f"--{CONFIG}: name a JSON or TOML file, such as a run's config.json")
    if not file:
        return {}, "", rest
    document = read_table(Path(file), CONFIG)
    if isinstance(document.get(CONFIG), dict):  # of a report
        return document[CONFIG], f"{file}: {CONFIG}", rest
    return document, file, rest


def _rule(root: type[Any], command: Subcommand) -> Callable[[Any], Any]:
    """Shows dataclasses to tyro: each field with what is declared of it, positional or not."""
    import tyro  # noqa: PLC0415  as above

    def default(info: Any, field: "dataclasses.Field[Any]") -> Any:
        if dataclasses.is_dataclass(info.default):
            return getattr(info.default, field.name)
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        return tyro.MISSING_NONPROP if is_required(field) else field.default

    short = {_declared(root, path): flag for path, flag in command.short.items()}

    def rule(info: Any) -> Any:
        kind = info.type
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            return None
        hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
        specs = []
        make: Callable[..., Any] = kind
        if kind is root:
            make = _without_config(root)
            specs = [tyro.constructors.StructFieldSpec(CONFIG, _FILE, None, _CONFIG_HELP)]
        for field in dataclasses.fields(kind):
            name, usual = field.name, default(info, field)
            shown: dict[str, Any] = {}
            if usual in ((), ""):  # tyro's "(default: )" would say nothing
                shown["help_behavior_hint"] = ""
            if (kind, name) in short:
                shown["aliases"] = (short[kind, name],)
            if kind is root and name in command.positional:
                word = name.upper()
                shown["metavar"] = word
                if _is_list(hints[name]):
                    shown["metavar"] = f"{word} [{word} ...]"
                    shown.setdefault("help_behavior_hint", "(required)")
                hints[name] = Annotated[hints[name], tyro.conf.Positional]
            if shown:
                hints[name] = Annotated[hints[name], tyro.conf.arg(**shown)]
            text = described(kind, field)
            specs.append(tyro.constructors.StructFieldSpec(name, hints[name], usual, text))
        return tyro.constructors.StructConstructorSpec(make, tuple(specs))

    return rule


def _declared(kind: Any, path: str) -> tuple[Any, str]:
    """Returns the dataclass that declares a field, given as GROUP.FIELD, and the field's name."""
    group, dot, name = path.partition(".")
    return _declared(types_of(kind)[group], name) if dot else (kind, path)


def _path_rule(info: Any) -> Any:
    """Reads a path for tyro, which would take an empty one for the working folder."""
    import tyro  # noqa: PLC0415  as above

    if info.type is not Path:
        return None

    return tyro.constructors.PrimitiveConstructorSpec(
        1,
        "PATH",
        lambda words: Path({"": _EMPTY, "-": _DASH}.get(words[0], words[0])),
        lambda value: isinstance(value, Path),
        lambda value: [str(value)],
    )


def writes_stdout(config: Any) -> bool:
    """Returns whether a command's config names stdout as a file, as /dev/stdout."""
    return any(descriptor(path) == 1 for _, path in _paths(config, ""))


def _paths(config: Any, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yields every path in a config, and its option."""
    for field in dataclasses.fields(config):
        value, option = getattr(config, field.name), prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from _paths(value, f"{option}.")
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path):
                yield option, path


def _without_config(kind: type[Any]) -> Callable[..., Any]:
    def make(config: None, **values: Any) -> Any:
        return kind(**values)

    return make


_FILE: Any = Path | None
_CONFIG_HELP = (
    "Start from the settings of this JSON or TOML file, such as the config.json of a run or a "
    "report; other options come before it."
)


def _leaves(kind: Any, default: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yields each option, and the type of its value."""
    kind = type(default) if dataclasses.is_dataclass(default) else kind
    for field in dataclasses.fields(kind):
        hint, inner = types_of(kind)[field.name], getattr(default, field.name, field.default)
        option = prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(hint) or dataclasses.is_dataclass(inner):
            yield from _leaves(hint, inner, f"{option}.")
        else:
            yield option, hint


def _has_length(hint: Any) -> bool:
    """Returns whether a value of this type is several numbers, always as many."""
    tuples = [h for h in (hint, *get_args(hint)) if get_origin(h) is tuple]
    return bool(tuples) and not _is_list(hint)


def _refuse_twice(options: list[str], several: set[str]) -> None:
    """Refuses an option of several numbers that is given twice: they cannot be added."""
    names = [word.partition("=")[0].replace("_", "-") for word in options]
    for name in several:
        if names.count(name) > 1:
            raise UserError(f"{name} is given twice; leave one of them out")


def _is_list(hint: Any) -> bool:
    return any(get_origin(h) is tuple and ... in get_args(h) for h in (hint, *get_args(hint)))


def _joined(options: list[str], lists: set[str]) -> list[str]:
    """Joins the values of a list that is given more than once."""
    groups: list[list[str]] = [[]]
    first: dict[str, list[str]] = {}
    for word in options:
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if not word.startswith("-") or _is_number(word):
            groups[-1].append(word)
        elif name in lists:
            groups.append(first.setdefault(name, [name]))
            groups[-1] += [value] if equals else []
        else:
            groups.append([word])
    once = {id(group): group for group in groups}
    return [word for group in once.values() for word in group]


def _is_number(word: str) -> bool:
    return word[1:2].isdigit() or word[1:2] == "."


def _unknown(options: list[str], known: Mapping[str, Any], short: set[str]) -> str:
    """Returns the first word that looks like an option and is none; empty without one."""
    flags = [name for name, hint in known.items() if hint is bool]
    every = {*known, *short, *(re.sub(r"(\.|^--)(?=[\w-]+$)", r"\1no-", flag) for flag in flags)}
    for word in options:
        name = word.partition("=")[0].replace("_", "-")
        looks_like_one = name.startswith("-") and name.strip("-") and not _is_number(name)
        if looks_like_one and name not in every:
            return name
    return ""


def _unknown_option(name: str, known: Mapping[str, Any]) -> str:
    """Returns a message on an unknown option, with those that may be meant.

    These are, in this order, options of that name within others, shorter and longer ones, names
    that are spelled alike, and what another command calls so.
    """
    last = name.rpartition(".")[2].lstrip("-")
    within = [each for each in known if each.rpartition(".")[2] == last]
    shorter = [each for each in known if name.startswith(each)]
    begins = re.compile(rf"{re.escape(name)}[\w-]*|--[\w.-]+\.{re.escape(name[2:])}[\w-]*")
    longer = [each for each in known if len(last) > 2 and begins.fullmatch(each)]
    alike = difflib.get_close_matches(name[:100], known, n=3, cutoff=0.75)
    same = [
        each
        for names in _SAME
        if name in names or difflib.get_close_matches(name[:100], names[:2], cutoff=0.75)
        for each in names
        if known.get(each, bool) is not bool  # --json alone names no file
    ]
    found = list(dict.fromkeys([*within, *shorter, *longer, *alike] or same))[:3]
    if found:
        return f"unknown option {name} (perhaps {' or '.join(found)})"
    for group in (name, name.rpartition(".")[0]):
        names = [each.removeprefix(f"{group}.") for each in known if each.startswith(f"{group}.")]
        if names:
            return f"unknown option {name}; {group} has {', '.join(names)}"
    return f"unknown option {name}"


def _one_line(box: str) -> str:
    """Returns the message of tyro's box in one line.

    The box has a title, a message and hints, parted by rules. Where the terminal knows UTF-8
    the title is part of the frame, else it stands above a rule of its own.
    """
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        row = line.strip("│╭╮╰╯ ")
        if line.startswith("╭") or not row.strip("─-"):
            parts.append([])
        else:
            parts[-1].append(row)
    parts = [part for part in parts if part]
    place = 0 if "╭" in box else 1
    if place >= len(parts):
        return " ".join(box.split())  # not in a box
    message = " ".join(parts[place])
    missing = re.fullmatch(r"Missing from (.+?): (\S+) (.*?)\.? \(required\)", message)
    if missing:
        message = f"'{missing[1]}' needs {missing[2]}: {missing[3]}"
    return message
