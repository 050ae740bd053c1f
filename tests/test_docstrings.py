"""Docstrings of the product are sentences that stand alone, and nothing public is without one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_house import PACKAGES, ROOT, modules

Definition = ast.ClassDef | ast.FunctionDef
VERB = re.compile(
    r"(?!(?:Error|Setting|Parameter|Position|Weight|Entrie|Velocitie|Image|Masse|Rotation|Target)s)"
    r"(?!Numbers that)[A-Z][a-z-]+s\b"
)
WORDS = re.compile(r"\b(told|tells? of|lest|whoever|heeds?|rubs?|spoil(?:s|ed|t)?|it was had)\b")
_BARE = re.compile(r"\s+[a-z_]+: of ")
FOLDERS = ("benchmarks", "docs", "examples", "ros_ws", "tests", *PACKAGES)
# The command line shows these as what a command or a task does, in the imperative.
COMMANDS = (
    *("Adopt", "AuditCommand", "Demo", "Evaluate", "ExperienceCommand", "Export", "Fuse"),
    *("Inspect", "Learn", "Rehearse", "Render", "Run", "SlotsCommand", "Train", "Up", "Urdf"),
)
IMPERATIVE = {*(f"{command}Config" for command in COMMANDS), "WalkingConfig"}
IMPERATIVE |= {"HumanoidV5", "HumanoidVelocity", "VehicleTrack"}


def definitions(path: Path) -> Iterator[tuple[ast.ClassDef | None, Definition]]:
    """Every class, function and method of a file with the class around it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, Definition):
            yield None, node
        if isinstance(node, ast.ClassDef):
            yield from ((node, inner) for inner in node.body if isinstance(inner, Definition))


PRODUCT = [(name, *found) for name, path in modules().items() for found in definitions(path)]
DOCUMENTED = {node.name for _, of, node in PRODUCT if of is not None and ast.get_docstring(node)}


def test_what_is_public_is_documented_where_it_is_defined_first() -> None:
    """A method that implements a documented one of the same name says nothing again."""
    missing = [
        f"{module}:{node.lineno} {node.name}"
        for module, of, node in PRODUCT
        if not (node.name.startswith("_") or (of is not None and of.name.startswith("_")))
        and not ast.get_docstring(node)
        and node.name not in DOCUMENTED
        and not (of is not None and of.name == "Namespace")  # NumPy's functions
    ]
    assert not missing


def test_docstrings_begin_with_what_a_thing_does() -> None:
    nouns = [
        f"{module}:{node.lineno} {node.name}: {text.splitlines()[0]}"
        for module, _, node in PRODUCT
        if (text := ast.get_docstring(node)) and not VERB.match(text)
        if node.name not in IMPERATIVE
    ]
    nouns += [
        f"{module}: {text.splitlines()[0]}"
        for module, path in modules().items()
        if (text := ast.get_docstring(ast.parse(path.read_text()))) and not VERB.match(text)
    ]
    assert not nouns


def test_arguments_are_things_and_no_bare_genitives() -> None:
    """As 'seed: the seed of the noise', not 'seed: of the noise'."""
    bare = [
        f"{module}:{node.lineno} {node.name}: {line.strip()}"
        for module, _, node in PRODUCT
        for line in (ast.get_docstring(node) or "").splitlines()
        if _BARE.match(line)
    ]
    assert not bare


def test_words_are_plain() -> None:
    texts = [
        path
        for folder in FOLDERS
        for pattern in ("*.py", "*.md", "*.jinja")
        for path in (ROOT / folder).rglob(pattern)
        if path != Path(__file__)
    ]
    found = {str(path): words for path in texts if (words := WORDS.findall(path.read_text()))}
    assert not found
