"""Every option of every command on all that it may be given: lists, empty names, bad files."""

import dataclasses
import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from sim2edge.__main__ import main
from sim2edge.commands import COMMANDS
from sim2edge.options import parse

FIRST = {
    "audit": ["verify", "x"],
    "experience": ["show", "x"],
    "slots": ["x", "show"],
    "train": ["HumanoidVelocity"],
    "demo": [],
}
TASKS = ("HumanoidVelocity", "VehicleTrack", "Humanoid-v5")


def module_of(name: str) -> Any:
    return pytest.importorskip(COMMANDS[name].module)


def asked(name: str, words: list[str]) -> Any:
    return parse(name, COMMANDS[name], module_of(name), words)


def first(name: str) -> list[str]:
    return FIRST.get(name, ["x" for _ in COMMANDS[name].positional])


def settings(config: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each setting of a config and of those within: its path, type and value."""
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{path}{field.name}"
        if dataclasses.is_dataclass(value):
            yield from settings(value, f"{name}.")
        else:
            yield name, hints[field.name], value


def is_list(hint: Any) -> bool:
    return any(get_origin(h) is tuple and ... in get_args(h) for h in (hint, *get_args(hint)))


def values_of(hint: Any, value: Any) -> list[str]:
    """Two values that an option of this type takes."""
    if value:
        return [str(value[0]), str(value[-1])]
    (element,) = (
        get_args(h)[0] for h in (hint, *get_args(hint)) if get_origin(h) is tuple and get_args(h)
    )
    if get_origin(element) is Literal:
        return [get_args(element)[0], get_args(element)[-1]]
    two = {float: ["0.5", "-0.25"], int: ["8", "4"], Path: ["a.yaml", "b.yaml"]}
    return two.get(element, ["a:=1", "b:=2"])


def lists() -> Iterator[Any]:
    for name in COMMANDS:
        for words in [[task] for task in TASKS] if name == "train" else [first(name)]:
            yield pytest.param(name, words, id=" ".join([name, *words]))


@pytest.mark.parametrize(("name", "words"), list(lists()))
def test_a_list_that_is_given_twice_keeps_all_its_values(name: str, words: list[str]) -> None:
    config = asked(name, words)
    for path, hint, value in settings(config):
        if not is_list(hint) or path in COMMANDS[name].positional:
            continue
        option = f"--{path.replace('_', '-')}"
        one, two = values_of(hint, value)
        for given in (
            [option, one, option, two],
            [option, one, *(["--seed", "1"] if hasattr(config, "seed") else []), option, two],
            [f"{option}={one}", f"{option}={two}"],
            [option.replace("-", "_").replace("__", "--", 1), one, option, two],
        ):
            found = {p: v for p, _, v in settings(asked(name, [*words, *given]))}[path]
            assert [str(item) for item in found] == [one, two], given


def paths(name: str) -> list[str]:
    kind = getattr(importlib.import_module(COMMANDS[name].module), COMMANDS[name].config)
    hints = get_type_hints(kind)
    return [
        f.name
        for f in dataclasses.fields(kind)
        if Path in (hints[f.name], *get_args(hints[f.name]))
    ]


def test_a_file_may_have_the_name_of_a_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "VehicleTrack", "-o", "./-"]) == 0
    assert Path("./-").stat().st_size > 10_000


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("empty", ["", "-"])
def test_an_empty_name_and_a_dash_are_refused_for_every_path(
    name: str,
    empty: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in paths(name):
        option = f"--{path.replace('_', '-')}"
        if path in COMMANDS[name].positional:
            place = COMMANDS[name].positional.index(path)
            given = [[*first(name)[:place], empty, *first(name)[place + 1 :]]]
        else:
            given = [[*first(name), option, empty], [*first(name), f"{option}={empty}"]]
            short = COMMANDS[name].short.get(path)
            given += [[*first(name), short, empty]] if short else []
        for words in given:
            assert main([name, *words]) == 2, words
            said = capsys.readouterr().err
            assert said.count("\n") == 1
            assert option in said or path == "resume", said
    assert list(tmp_path.iterdir()) == []


POLICY = Path(__file__).parents[2] / "assets" / "policies" / "HumanoidVelocity.onnx"
INPUTS: dict[str, list[str]] = {
    "inspect": ["BAD"],
    "run": ["BAD"],
    "run shadow": ["POLICY", "--shadow", "BAD"],
    "run config": ["POLICY", "--config", "BAD"],
    "run audit": ["POLICY", "--audit", "BAD"],
    "slots": ["BAD", "show"],
    "slots policy": ["slots", "install", "BAD"],
    "slots audit": ["slots", "confirm", "--audit", "BAD"],
    "audit": ["verify", "BAD"],
    "audit key": ["verify", "log", "--key", "BAD"],
    "audit receipt": ["verify", "log", "--receipt", "BAD"],
    "audit accepted": ["accept", "log", "--receipt", "BAD", "--server-public", "00"],
    "audit server": ["countersign", "log", "--server", "BAD", "--public", "00" * 32],
    "experience": ["erase", "BAD", "--yes"],
    "experience key": ["show", "store", "--key", "BAD"],
    "eval": ["BAD"],
    "eval gate": ["POLICY", "--gate", "BAD"],
    "eval suite": ["POLICY", "--suite", "BAD"],
    "render": ["BAD"],
    "render recording": ["POLICY", "--recording", "BAD"],
    "export": ["BAD"],
    "train config": ["HumanoidVelocity", "--config", "BAD"],
    "train resume": ["--resume", "BAD"],
    "train initial": ["HumanoidVelocity", "--initial", "BAD"],
    "fuse": ["BAD"],
    "urdf": ["BAD"],
    "up params": ["humanoid", "--params", "BAD"],
}
ENDINGS = dict.fromkeys(("run config", "train config"), ".json") | {
    "inspect": ".onnx",
    "fuse": ".npz",
}
KINDS = ("missing", "folder", "pipe", "device", "empty", "junk", "text", "huge", "circle", "below")


def bad(folder: Path, kind: str, ending: str) -> Path:
    path = folder / f"{kind}{ending}"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "circle":
        path.symlink_to(path.name)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(2**42)
    elif kind == "below":
        (folder / "file").touch()
        return folder / "file" / f"x{ending}"
    elif kind != "missing":
        path.write_bytes({"empty": b"", "junk": bytes(range(256)) * 20, "text": b"hello\n"}[kind])
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", INPUTS)
def test_every_bad_input_is_one_line_at_once(
    case: str,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = case.split()[0]
    module_of(name)
    monkeypatch.chdir(tmp_path)
    path = bad(tmp_path, kind, ENDINGS.get(case, ""))
    words = [w.replace("BAD", str(path)).replace("POLICY", str(POLICY)) for w in INPUTS[case]]
    began = time.monotonic()
    assert main([name, *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert len(said) < 600
    assert time.monotonic() - began < 20


OUTPUTS: dict[str, list[str]] = {
    "run record": ["POLICY", "--seconds", "0.2", "--record", "BAD"],
    "run log": ["POLICY", "--seconds", "0.2", "--log", "BAD"],
    "slots": ["BAD", "install", "POLICY"],
    "audit": ["new", "BAD", "--key", "first.key"],
    "audit key": ["new", "log", "--key", "BAD"],
    "audit receipt": ["verify", "log", "--write-receipt", "BAD"],
    "audit server": ["server", "BAD"],
    "experience": ["new", "BAD"],
    "run report": ["POLICY", "--seconds", "0.2", "--report", "BAD"],
    "eval json": ["POLICY", "--episodes", "1", "--json", "BAD"],
    "eval junit": ["POLICY", "--episodes", "1", "--junit", "BAD"],
    "eval report": ["POLICY", "--episodes", "1", "--report", "BAD"],
    "eval films": ["POLICY", "--suite", "gauntlet", "--films", "BAD"],
    "render": ["POLICY", "-o", "BAD"],
    "urdf": ["humanoid", "-o", "BAD"],
    "export": ["nothing", "-o", "BAD"],
    "fuse": ["nothing", "-o", "BAD"],
    "demo": ["--out", "BAD"],
    "up record": ["humanoid", "--record", "BAD"],
    "train": ["HumanoidVelocity", "--run-dir", "BAD"],
}
FOLDERS = (
    "slots",
    "audit",
    "audit server",
    "run report",
    "eval films",
    "train",
    "fuse",
    "demo",
    "up record",
)  # a folder is what they want
PLACES = ("folder", "below a file", "below a device", "too long", "circle")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", OUTPUTS)
def test_every_bad_output_is_one_line_before_the_work(
    case: str,
    place: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if place == "folder" and case in FOLDERS:
        pytest.skip("a folder is what it wants")
    name = case.split()[0]
    module_of(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    path = {
        "folder": "folder",
        "below a file": "file/x",
        "below a device": "/dev/null/x",
        "too long": "n" * 300,
        "circle": "circle",
    }[place]
    words = [w.replace("BAD", path).replace("POLICY", str(POLICY)) for w in OUTPUTS[case]]
    began = time.monotonic()
    assert main([name, *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert "cannot write" in said or "name a file" in said, said
    assert time.monotonic() - began < 20
    assert sorted(p.name for p in tmp_path.iterdir()) in (
        ["circle", "file", "folder"],
        ["circle", "file", "folder", "out"],  # the report's, before its record
    )


SAME: dict[str, tuple[list[str], str]] = {
    "urdf": (["robot.xml", "-o", "./robot.xml"], "--output and ROBOT"),
    "export": (["policy.onnx", "-o", "link.onnx"], "--output and RUN"),
    "export twice": (["policy.onnx", "-o", "x", "--sb3", "x"], "--output and --sb3"),
    "eval": (["policy.onnx", "--json", "policy.onnx"], "--json and POLICY"),
    "eval twice": (["policy.onnx", "--json", "x", "--junit", "./x"], "--json and --junit"),
    "eval gate": (["policy.onnx", "--gate", "robot.xml", "--json", "robot.xml"], "and --gate"),
    "render": (["HumanoidVelocity", "policy.onnx", "-o", "policy.onnx"], "--output and POLICY"),
    "run": (["policy.onnx", "--record", "policy.onnx"], "--record and POLICY"),
    "run twice": (["policy.onnx", "--record", "x", "--log", "x"], "--log and --record"),
}


@pytest.mark.parametrize("case", SAME)
def test_an_output_never_takes_the_place_of_an_input(
    case: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("policy.onnx", "robot.xml"):
        Path(name).write_text("mine")
    Path("link.onnx").symlink_to("policy.onnx")
    words, said = SAME[case]
    module_of(case.split()[0])
    assert main([case.split()[0], *words]) == 2
    error = capsys.readouterr().err
    assert said in error and "name the same file" in error
    assert Path("policy.onnx").read_text() == Path("robot.xml").read_text() == "mine"
    assert not Path("x").exists()


def test_one_device_may_take_two_outputs() -> None:
    words = ["VehicleTrack", "--json", "/dev/null", "--junit", "/dev/null"]
    assert asked("eval", words).junit == Path("/dev/null")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("demo --seconds 1e308", "--seconds"),
        ("demo --minutes 1e308", "--minutes"),
        ("eval x --seconds 1e308", "--seconds"),
        ("fuse x --skip 1e308", "--skip"),
        ("render x --seconds 1e308", "--seconds"),
        ("run x --seconds 1e308", "--seconds"),
        ("train HumanoidVelocity --checkpoint-seconds 1e308", "--checkpoint-seconds"),
        ("train HumanoidVelocity --minutes 1e308", "--minutes"),
        ("train HumanoidVelocity --task.control-period 1e308", "--task.control-period"),
        ("train HumanoidVelocity --task.episode-seconds 1e308", "--task.episode-seconds"),
        ("train VehicleTrack --task.episode-seconds 1e308", "--task.episode-seconds"),
        ("up x --seconds 1e308", "--seconds"),
    ],
)
def test_no_command_takes_a_time_that_nobody_can_wait(
    words: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module_of(words.split()[0])
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert f"{option} is 1e+308" in error and "1e+08" in error and error.count("\n") == 1
