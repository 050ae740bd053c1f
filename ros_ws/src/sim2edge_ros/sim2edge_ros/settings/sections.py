"""Reads the sections of ROS parameter files: for which nodes each stands, and what it gives.

A section's name is a node's, as '/h1/edge_node' or nested in its namespace; '*' stands for one word
of it, '**' for any number. This module needs no ROS.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError, suggestion
from edge_runtime.files import read_file

_LARGEST = 64_000_000  # bytes of a parameter file
_PARAMETERS = "ros__parameters"
_FILE = "--params-file"
_ANY_ONE, _ANY_NUMBER = "*", "**"
_MERGE = "tag:yaml.org,2002:merge"  # of the key '<<', which stands for other keys


@dataclass(frozen=True)
class Section:
    """Holds the parameters that a file gives to the nodes of a pattern."""

    pattern: str  # with a slash before each word: '/**/edge_node'
    parameters: dict[str, Any]

    @property
    def node(self) -> str:
        """Returns the last word of the pattern, which a node's name must be."""
        return self.pattern.rpartition("/")[2]

    @property
    def is_for_many(self) -> bool:
        """Returns whether nodes of any name are meant."""
        return self.node in (_ANY_ONE, _ANY_NUMBER)

    def is_for(self, name: str) -> bool:
        """Returns whether a node with this full name is meant, as rcl decides it."""
        words = {_ANY_ONE: r"/[^/]+", _ANY_NUMBER: r"(/[^/]+)*"}
        parts = self.pattern.split("/")[1:]
        return bool(re.fullmatch("".join(words.get(p, "/" + re.escape(p)) for p in parts), name))


def sections(path: Path) -> list[Section]:
    """Reads a parameter file.

    Raises:
        UserError: it cannot be read, is no YAML, or holds no parameters of nodes.
    """
    import yaml  # noqa: PLC0415  rclpy brings it

    try:
        text = read_file(path, "parameter file", _LARGEST).decode("utf-8-sig")
        _check_words(yaml.compose(text, yaml.SafeLoader), path)
        found = _under(yaml.safe_load(text), "", path)
    except UnicodeDecodeError:
        raise UserError(f"parameter file {path}: no text; name a YAML file") from None
    except RecursionError:
        raise UserError(f"parameter file {path} is nested too deeply; write it anew") from None
    except yaml.YAMLError as error:
        raise UserError(
            f"parameter file {path} is no YAML: {' '.join(str(error).split())}"
        ) from None
    if not found:
        raise UserError(
            f"parameter file {path}: under each node's name, as '/**/edge_node:', stands "
            f"'{_PARAMETERS}:', and under that its parameters"
        )
    return found


def _check_words(root: Any, path: Path) -> None:
    """Raises `UserError` for a word that is not of its type, such as the date 2020-13-45, and for a
    key that is no word or stands twice in one place, where YAML would keep the last."""
    import yaml  # noqa: PLC0415  rclpy brings it

    def wrong(node: Any, what: str) -> UserError:
        return UserError(f"parameter file {path}: line {node.start_mark.line + 1} {what}")

    loader = yaml.SafeLoader("")
    waiting, met = [root], {id(None)}
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            continue
        met.add(id(node))  # an alias is another name of the same
        if isinstance(node, yaml.ScalarNode):
            try:
                if node.tag != _MERGE:
                    loader.construct_object(node)
            except (ValueError, LookupError, AttributeError, OverflowError):
                kind = node.tag.rpartition(":")[2]
                raise wrong(node, f"gives {node.value!r}, which is no {kind}; quote it") from None
            continue
        keys: set[str] = set()
        for item in node.value:
            waiting += item if isinstance(item, tuple) else (item,)
            if not isinstance(item, tuple):
                continue
            key = item[0]
            if not isinstance(key, yaml.ScalarNode):
                raise wrong(key, "has a key that is no word; ROS takes words alone")
            if key.value in keys:
                raise wrong(key, f"gives {key.value!r} again; keep one")
            keys.add(key.value)


def _under(content: Any, pattern: str, path: Path) -> list[Section]:
    """Returns the sections under a namespace; none if anything there is no section."""
    if not isinstance(content, dict) or not content:
        return []
    found = []
    for name, under in content.items():
        if name == _PARAMETERS and pattern and under is None:
            raise UserError(
                f"parameter file {path}: '{_PARAMETERS}:' of '{pattern}' is empty, which ROS "
                f"refuses; give it parameters, or write '{_PARAMETERS}: {{}}'"
            )
        if name == _PARAMETERS and pattern and isinstance(under, dict):
            found.append(Section(pattern, {str(key): value for key, value in under.items()}))
            continue
        below = f"{pattern}/{str(name).strip('/')}"
        inner = _under(under, below, path) if name != _PARAMETERS else []
        if not inner:
            return []
        found += inner
    return found


def without_effect(path: Path, nodes: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns a line for each part of a file that reaches none of the nodes.

    Args:
        path: the file.
        nodes: the parameters that each node takes, by its full name.

    Raises:
        UserError: the file is wrong.
    """
    known = sorted({name for names in nodes.values() for name in names})
    lines = []
    for section in sections(path):
        if not any(map(section.is_for, nodes)):
            there = ", ".join(sorted(nodes))
            lines.append(f"{path}: '{section.pattern}' is none of the nodes, which are {there}")
        elif section.is_for_many:
            lines += [
                f"{path}: no node here takes '{name}' of '{section.pattern}'; "
                f"{suggestion(name, known)}"
                for name in section.parameters
                if name not in known
            ]
    return lines


def files_among(arguments: Sequence[str]) -> list[Path]:
    """Returns the parameter files that a node's arguments name."""
    return [Path(value) for flag, value in pairwise(arguments) if flag == _FILE]


def only_for_others(arguments: Sequence[str], name: str, known: Sequence[str]) -> set[str]:
    """Returns parameters that a node lacks and only sections for nodes of any name give.

    Args:
        arguments: the node's.
        name: its full name.
        known: the parameters that it takes.

    Raises:
        UserError: a parameter file is wrong.
    """
    reached = [s for path in files_among(arguments) for s in sections(path) if s.is_for(name)]
    shared = {n for s in reached if s.is_for_many for n in _flat(s.parameters)}
    own = {n for s in reached if not s.is_for_many for n in _flat(s.parameters)}
    given = {value.partition(":=")[0].rpartition(":")[2] for value in arguments if ":=" in value}
    return shared - own - given - set(known)


def _flat(parameters: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yields names with a dot between the words of nested ones, as rcl does."""
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


@contextmanager
def renamed(arguments: Sequence[str], usual: str, name: str) -> Iterator[list[str]]:
    """Yields arguments by which a node of another name keeps the sections of its usual name.

    Args:
        arguments: the node's; sections of its own name override those of the usual one.
        usual: its name in the package's parameter files.
        name: the name that it was given.

    Raises:
        UserError: a parameter file is wrong.
    """
    words = list(arguments)
    if name == usual:
        yield words
        return
    with tempfile.TemporaryDirectory() as folder:
        for place in reversed(range(len(words) - 1)):
            if words[place] != _FILE:
                continue
            path = Path(words[place + 1])
            content: dict[str, Any] = {}
            for section in sections(path):
                if section.node == usual:
                    pattern = section.pattern.removesuffix(usual) + name
                    content.setdefault(pattern, {}).update(section.parameters)
            if content:
                copy = Path(folder) / f"{place}.yaml"
                copy.write_text(_dumped(content), encoding="utf-8")
                words[place:place] = [_FILE, str(copy)]
        yield words


def _dumped(content: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415  rclpy brings it

    return str(yaml.safe_dump({p: {_PARAMETERS: given} for p, given in content.items()}))
