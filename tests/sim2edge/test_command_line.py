"""The command line as a user meets it: one process, its output and its exit code."""

import dataclasses
import importlib
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from sim2edge import __main__ as front_door
from sim2edge.commands import COMMANDS, Subcommand


def sim2edge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim2edge", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that exited with 2."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_it_lists_every_command() -> None:
    done = sim2edge()
    assert done.returncode == 0
    for name, command in COMMANDS.items():
        assert f"{name}" in done.stdout
        assert command.summary in done.stdout


def test_unknown_command() -> None:
    assert "did you mean 'train'" in refusal(sim2edge("trian"))
    assert "there are: train, eval" in refusal(sim2edge("fly"))


@pytest.mark.parametrize(
    "words",
    [
        ("--import", "no_such_module", "inspect", "policy.onnx"),
        ("inspect", "policy.onnx", "--import=no_such_module"),
    ],
)
def test_a_module_to_import_that_is_not_there_is_refused(words: tuple[str, ...]) -> None:
    assert "no module 'no_such_module' is installed or in" in refusal(sim2edge(*words))


def test_a_module_to_import_must_be_named() -> None:
    assert "name a module" in refusal(sim2edge("inspect", "policy.onnx", "--import"))


def test_a_module_of_the_working_folder_is_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("print('imported')")
    done = subprocess.run(
        [sys.executable, "-m", "sim2edge", "--import", "mine", "inspect", "no.onnx"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stdout == "imported\n"


FIRST_WORDS = {"train": ["HumanoidVelocity"], "demo": []}


@pytest.mark.parametrize("name", COMMANDS)
def test_unknown_flag_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = FIRST_WORDS.get(name, ["policy.onnx"])
    assert front_door.main([name, *words, "--no-such-flag", "3"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "no-such-flag" in line
    assert f"sim2edge {name} --help" in line


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("train HumanoidVelocity --out x", "--run-dir"),
        ("train HumanoidVelocity --horizon 8", "--ppo.horizon"),
        ("train HumanoidVelocity --task.gait-step 8", "--task.gait-steps"),
        ("eval p.onnx --out x", "--json or --report"),
        ("eval p.onnx --episode 3", "--episodes"),
        ("render p.onnx --out x.mp4", "--output"),
        ("render --outptu=x.mp4 p.onnx", "--output"),
        ("export run --out x", "--output"),
        ("urdf --outt x humanoid", "--output"),
        ("fuse log --output x", "--out"),
        ("demo -o x", "--out"),
        ("run p.onnx --output x", "--report"),
        ("run p.onnx --log_file x", "--log"),
        ("inspect p.onnx --jsn", "--json"),
    ],
)
def test_a_mistyped_option_is_named_with_what_is_meant(
    words: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert front_door.main(words.split()) == 2
    line = capsys.readouterr().err
    wrong = next(w for w in words.split() if w.startswith("-")).partition("=")[0]
    option = wrong.replace("_", "-")
    assert f"unknown option {option} (perhaps {meant}); see" in line
    assert line.count("\n") == 1


def test_no_option_is_suggested_where_none_is_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert front_door.main(["inspect", "p.onnx", "--out", "x"]) == 2  # --json names no file
    assert "unknown option --out; see" in capsys.readouterr().err


def test_the_help_shows_that_several_policies_may_be_filmed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert front_door.main(["render", "--help"]) == 0
    assert "POLICY [POLICY ...]" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_the_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert front_door.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: sim2edge {name}" in shown
    for word in (*COMMANDS[name].positional, COMMANDS[name].leading):
        assert word.upper() in shown


@pytest.mark.parametrize("name", ["inspect", "run"])
def test_a_robots_commands_start_without_simulator_and_trainer(name: str) -> None:
    program = (
        "import sys; from sim2edge.__main__ import main\n"
        f"try: main([{name!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'mujoco', 'gymnasium', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_keeps_its_promise(name: str) -> None:
    command = COMMANDS[name]
    module = importlib.import_module(command.module)
    config = getattr(module, command.config)
    assert dataclasses.is_dataclass(config)
    assert set(command.positional) <= {field.name for field in dataclasses.fields(config)}
    assert callable(module.main)


def test_a_missing_extra_says_what_to_install() -> None:
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError('no torch', name='torch')\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from sim2edge.__main__ import main\n"
        "sys.exit(main(['train', 'HumanoidVelocity']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert install_line("train") in refusal(done)


@pytest.mark.parametrize(
    ("missing", "extra"),
    [
        *(("torch", "train"), ("mujoco", "train"), ("PIL", "sim"), ("rclpy", "ros")),
        *(("mcap", "ros"), ("my_arm", None), ("assets", None)),
    ],
)
def test_an_extra_is_blamed_for_what_it_brings_alone(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
    extra: str | None,
) -> None:
    def behaviour(config: SampleConfig) -> int:
        raise ModuleNotFoundError(f"No module named '{missing}'", name=f"{missing}.inner")

    if extra is None:
        with pytest.raises(ModuleNotFoundError, match=missing):
            run_sample(monkeypatch, behaviour, "it", extra="train")
        return
    assert run_sample(monkeypatch, behaviour, "it", extra=extra) == 2
    said = f"needs {missing}, which is not installed; {install_line(extra)}"
    assert said in capsys.readouterr().err


@dataclasses.dataclass(frozen=True)
class SampleGroup:
    """A group of options."""

    width: int = 1
    depth: int = 1


@dataclasses.dataclass(frozen=True)
class SampleConfig:
    """A sample command."""

    thing: str
    """What to do it to."""
    count: int = 3
    """How often."""
    inner: SampleGroup = SampleGroup()


def run_sample(
    monkeypatch: pytest.MonkeyPatch, behaviour: object, *arguments: str, extra: str = ""
) -> int:
    module = type(sys)("sample_command")
    module.SampleConfig = SampleConfig  # type: ignore[attr-defined]
    module.main = behaviour  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sample_command", module)
    command = Subcommand("a sample", "sample_command", "SampleConfig", ("thing",), extra=extra)
    monkeypatch.setitem(COMMANDS, "sample", command)
    return front_door.main(["sample", *arguments])


def test_options_reach_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SampleConfig] = []

    def behaviour(config: SampleConfig) -> int:
        seen.append(config)
        return 7

    assert run_sample(monkeypatch, behaviour, "it", "--count", "5") == 7
    assert (seen[0].thing, seen[0].count) == ("it", 5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "THING"),
        (("it", "--count", "many"), "'many'"),
        (("it", "--cuont", "5"), "perhaps --count"),
        (("it", "that"), "that"),
        ((), "'sim2edge sample' needs THING: What to do it to; see"),
        (("it", "--inner.batch-size", "5"), "--inner.batch-size; --inner has width, depth; see"),
    ],
)
def test_bad_options_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    named: str,
) -> None:
    assert run_sample(monkeypatch, lambda config: 0, *arguments) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert named in line


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (UserError("no such robot;\nuse another"), 2, "sim2edge: no such robot; use another\n"),
        (OSError(28, "No space left on device", "/x/run"), 2, "/x/run: No space left on device"),
        (
            PermissionError(13, "Permission denied", "/dev/ttyUSB0"),
            2,
            "/dev/ttyUSB0: Permission denied; ask for the right to it, or name another",
        ),
        (MemoryError("Unable to allocate 9 GiB"), 2, "memory is too short for this (Unable to"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_what_a_command_raises_becomes_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    said: str,
) -> None:
    def behaviour(config: SampleConfig) -> int:
        raise raised

    assert run_sample(monkeypatch, behaviour, "it") == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def behaviour(config: SampleConfig) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_sample(monkeypatch, behaviour, "it")


@pytest.mark.parametrize("package", ["edge_runtime", "sim", "policies", "sim2edge"])
def test_the_types_are_shipped(package: str) -> None:
    assert (files(package) / "py.typed").is_file()
