"""Every code block of the documentation does what the page says."""

import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from policies.evaluation.gate import Gate
from policies.gauntlet.protocol import find_protocol
from sim.robots.wear import read_wear
from sim.tasks.task import find_robot_task
from sim.tasks.walking.config import HumanoidVelocity
from sim2edge.__main__ import main
from sim2edge.commands import COMMANDS
from tests.docs.blocks import PAGES, ROOT, Block, blocks, prose, shrunk

BLOCKS = [block for page in PAGES for block in blocks(page)]
STAND_IN = ROOT / "tests" / "docs" / "stand_in.py"
STAND_INS = ("sim2edge", "make", "pip", "git", "docker", "colcon", "ros2")
STAND_INS += ("sudo", "systemctl", "journalctl")
WIDEST = 90  # characters, on a page that is 1200 pixels wide
POLICY = ROOT / "assets" / "policies" / "HumanoidVelocity.onnx"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_has_a_language_that_is_tested(page: Path) -> None:
    languages = {"python", "sh", "toml", "json", "yaml", "text"}  # text is only looked at
    assert {block.language for block in blocks(page)} <= languages
    indented = [line for line in prose(page) if line.startswith("    ") and line.strip()]
    assert indented == [], "code stands in a fence, with its language"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_line_of_code_is_wider_than_a_page(page: Path) -> None:
    shown = page.read_text()  # a test may replace a part by something longer
    lines = [line for block in blocks(page) for line in block.code.splitlines()]
    assert [line for line in lines if len(line) > WIDEST and line in shown] == []


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder like a checkout, in which a reader has policies and may leave files."""
    for path in ROOT.iterdir():
        if path.name not in ("runs", "out", "bags", "ros_ws", ".git", ".venv", ".ci"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "ros_ws").mkdir()  # a colcon workspace, in which a build leaves folders
    (tmp_path / "ros_ws" / "src").symlink_to(ROOT / "ros_ws" / "src")
    for policy in ("policy.onnx", "walk.onnx", "better.onnx"):
        shutil.copy(POLICY, tmp_path / policy)
    programs = tmp_path / ".programs"
    programs.mkdir()
    for program in STAND_INS:
        (programs / program).write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" {program} "$@"\n'
        )
        (programs / program).chmod(0o755)
    return tmp_path


def some(page: Path) -> list[Block]:
    """The blocks of a page whose Python runs in a few seconds."""
    return [b for b in blocks(page) if b.language == "python" and b.value("slow") is None]


def needs_all(page: Path) -> bool:
    """Whether a page has commands, or Python that takes longer or needs what commands leave."""
    return any(b.language == "sh" or b.value("slow") is not None for b in blocks(page))


@pytest.mark.parametrize("page", [page for page in PAGES if some(page)], ids=name)
def test_python_runs(page: Path, workshop: Path) -> None:
    run(some(page), workshop)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if needs_all(page)], ids=name)
def test_a_page_works_from_its_beginning_to_its_end(page: Path, workshop: Path) -> None:
    run(blocks(page), workshop)


_BASH = """
import os, subprocess
def bash(code, small):
    environment = os.environ | {"SMALL": small}
    command = ["bash", "-e", "-o", "pipefail", "-c", code]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)
"""


def run(sequence: Sequence[Block], workshop: Path) -> None:
    """The blocks one after another, as a reader would type them."""
    program = [_BASH]
    for block in sequence:
        module = block.value("module")
        if path := block.value("file") or module:
            (workshop / path).parent.mkdir(parents=True, exist_ok=True)
            (workshop / path).write_text(block.code)
        if before := block.value("before"):
            program.append(before)
        if block.language == "sh":
            small = "" if block.value("small") is None else "1"
            program.append(f"bash({block.code!r}, {small!r})")
        elif block.language == "python" and ">>> " in block.code:
            case = f"get_doctest({block.code!r}, globals(), {str(block)!r}, None, 0)"
            program.append("import doctest")
            program.append(f"case = doctest.DocTestParser().{case}")
            program.append("assert doctest.DocTestRunner(optionflags=8).run(case).failed == 0")
        elif block.language == "python" and module is None:
            program.append(block.code)
    (workshop / "page_.py").write_text("\n".join(program))
    path = f"{workshop / '.programs'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1)}
    done = subprocess.run(
        [sys.executable, "page_.py"],
        cwd=workshop,
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


SHELL = [block for block in BLOCKS if block.language == "sh"]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_commands_take_their_options(
    block: Block, workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the point where they would begin to work."""
    monkeypatch.chdir(workshop)
    if block.value("outside") is not None:
        return
    for arguments in commands(block):
        if "--import" in arguments:  # what it imports would stay; a page's own test has it
            continue
        module = importlib.import_module(COMMANDS[arguments[0]].module)
        monkeypatch.setattr(module, "main", lambda config: 0)
        assert main(arguments) == 0, arguments
        assert main(shrunk(arguments)) == 0, arguments


def commands(block: Block) -> list[list[str]]:
    """The arguments of each sim2edge command of a block."""
    found = []
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while "sim2edge" in words:
            words = words[words.index("sim2edge") + 1 :]
            ends = [k for k, word in enumerate(words) if word in ("&&", "|", ";", "&", ">")]
            found.append(words[: min(ends, default=len(words))])
    return found


def parameters(path: Path) -> None:
    """Reads a file of parameters; each must be among those of the package's own files."""
    from sim2edge_ros.processes.up import parameter_files

    shipped, given = (yaml.safe_load(p.read_text()) for p in parameter_files("humanoid", path))
    known = {node.rpartition("/")[2]: under["ros__parameters"] for node, under in shipped.items()}
    for node, under in given.items():
        assert set(under["ros__parameters"]) <= set(known[node.rpartition("/")[2]])


def entry_points(path: Path) -> None:
    """Reads what a package declares; its groups must be among this package's."""
    if sys.version_info < (3, 11):
        return  # without a TOML reader
    import tomllib

    given, ours = (
        tomllib.loads(p.read_text())["project"]["entry-points"]
        for p in (path, ROOT / "pyproject.toml")
    )
    assert set(given) <= set(ours)


def workflow(path: Path) -> None:
    """Reads a hosted workflow; the options of each sim2edge command in it must exist."""
    steps = yaml.safe_load(path.read_text())["jobs"]["gate"]["steps"]
    words = [shlex.split(step["run"]) for step in steps if "run" in step]
    called = [line for line in words if line[0] == "sim2edge"]
    assert len(called) >= 3
    for _, *arguments in called:
        module = importlib.import_module(COMMANDS[arguments[0]].module)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "main", lambda config: 0)
            assert main(arguments) == 0, arguments


READERS: dict[str, Callable[[Path], object]] = {
    "gate": lambda path: Gate.read(path, HumanoidVelocity.metric_units),
    "suite": lambda path: find_protocol(str(path)),
    "parameters": parameters,
    "entry": entry_points,
    "workflow": workflow,
    "device": lambda path: read_wear(path, find_robot_task("HumanoidVelocity").robot),
    "json": lambda path: json.loads(path.read_text()),
}
DOCUMENTS = [block for block in BLOCKS if block.language in ("toml", "json", "yaml")]


@pytest.mark.parametrize("block", DOCUMENTS, ids=str)
def test_what_reads_a_document_takes_it(block: Block, tmp_path: Path) -> None:
    reader = next(word for word in READERS if block.value(word) is not None)
    path = tmp_path / f"document.{block.language}"
    path.write_text(block.code)
    READERS[reader](path)
