"""The rooms of the house: where files lie, and which may import which."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROS_PACKAGE = ROOT / "ros_ws" / "src" / "sim2edge_ros"
# Each package with the folder it is imported from.
PACKAGES = {
    **dict.fromkeys(("edge_runtime", "sim", "policies", "sim2edge"), ROOT),
    "sim2edge_ros": ROS_PACKAGE,
}
LARGEST_ROOM = 15  # files
INIT = "__init__"  # how a package's own file is called among its children


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for package, root in PACKAGES.items():
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == INIT else parts)] = path
    return found


@cache
def imports() -> dict[str, frozenset[str]]:
    """The product's modules that each module imports, inside functions too."""
    return {name: frozenset(imported(path)) - {name} for name, path in modules().items()}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            # `from package import name` runs the package's own file, unless name is a module.
            names = [name if name in modules() else module for name in names]
        else:
            continue
        yield from (name for name in names if name in modules())


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The ways along the edges that come back to where they began, one for each such group."""
    found, left = [], set(edges)
    while left:
        start = min(left)
        path, seen = [start], set[str]()
        ways = [iter(sorted(edges[start]))]
        while path:
            step = next(ways[-1], None)
            if step is None:
                left.discard(path.pop())
                ways.pop()
            elif step in path:
                circle = path[path.index(step) :]
                if not any(set(circle) & set(other) for other in found):
                    found.append(circle)
            elif step in left and step not in seen:
                seen.add(step)
                path.append(step)
                ways.append(iter(sorted(edges[step])))
    return [[*circle, circle[0]] for circle in found]


def among_children(package: str) -> dict[str, set[str]]:
    """Which child of a package, file or folder, imports which."""
    prefix = f"{package}."

    def child(module: str) -> str:
        return INIT if module == package else module.removeprefix(prefix).partition(".")[0]

    inside = [name for name in modules() if name == package or name.startswith(prefix)]
    edges: dict[str, set[str]] = {child(name): set() for name in inside}
    for name in inside:
        edges[child(name)] |= {child(other) for other in imports()[name] if other in inside}
    return {name: others - {name} for name, others in edges.items()}


FOLDERS = sorted(name for name, path in modules().items() if path.name == f"{INIT}.py")


def test_circles_are_found() -> None:
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}) == [["b", "c", "b"]]
    assert circles({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}) == [
        ["a", "b", "a"],
        ["c", "d", "c"],
    ]


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert circles(imports()) == []


@pytest.mark.parametrize("package", FOLDERS)
def test_the_children_of_a_package_import_in_one_direction(package: str) -> None:
    """So no folder imports upwards, from a room that is built on it."""
    assert circles(among_children(package)) == []


def test_no_import_is_hidden_from_the_interpreter() -> None:
    """An import for the type checker alone would hide a circle."""
    name = "TYPE_" + "CHECKING"
    assert [str(path) for path in modules().values() if name in path.read_text()] == []


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    taken = sys.stdlib_module_names
    names = {name for name in modules() if name.rpartition(".")[2] in taken}
    assert names == set()


def test_a_room_holds_a_handful_of_files() -> None:
    roots = [root / package for package, root in PACKAGES.items()]
    roots += [ROOT / "benchmarks", ROOT / "docs", ROOT / "examples", ROOT / "tests"]
    crowded = {}
    for folder in (folder for root in roots for folder in [root, *root.rglob("*/")]):
        if folder.is_dir() and folder.name != "__pycache__" and folder != ROOT / "docs" / "api":
            count = sum(path.is_file() for path in folder.iterdir())
            if count > LARGEST_ROOM:
                crowded[str(folder.relative_to(ROOT))] = count
    assert crowded == {}


def test_text_is_read_and_written_in_one_encoding() -> None:
    """That of a robot's system may be ASCII."""
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules().values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "write_text" or (node.func.attr == "read_text" and not node.args))
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
    ]
    assert offences == []


def test_a_robot_names_no_module_that_it_must_not_import() -> None:
    """A module named in a string is imported all the same."""
    forbidden = {  # a package's own name is a plain word as well
        name for name in modules() if "." in name and not name.startswith("edge_runtime")
    }
    offences = [
        f"{name}: {node.value!r}"
        for name, path in modules().items()
        if name.startswith("edge_runtime")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in forbidden
    ]
    assert offences == []
