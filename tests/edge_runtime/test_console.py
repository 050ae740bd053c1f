"""What is printed arrives on every kind of output, and printing fails on none."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import console
from edge_runtime.console import cropped, is_colored, is_live, open_console, plain
from edge_runtime.operation.drive import _redraw

ALL_LETTERS = "±0.5 µs → 3×10² °/s … │ ─ ▏█ σ é Ж 中 🤖 \udce9"


@pytest.fixture(autouse=True)
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process keeps its own."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    open_console()


def opened(number: int, encoding: str) -> io.TextIOWrapper:
    stream = console._opened(number, io.TextIOWrapper(io.BytesIO(), encoding))
    assert isinstance(stream, io.TextIOWrapper)
    return stream


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8", "euc-jp"])
def test_every_encoding_takes_every_letter(encoding: str) -> None:
    reading, writing = os.pipe()
    print(ALL_LETTERS, file=opened(writing, encoding), flush=True)
    os.close(writing)
    with open(reading, encoding=encoding) as file:
        said = file.read()
    assert said.endswith("\\xe9\n")
    if encoding == "utf-8":
        assert said[:-6] == ALL_LETTERS[:-2]
    if encoding == "ascii":
        assert said.startswith("+-0.5 us -> 3x10^2  deg/s ... | - ## sigma \\xe9 \\u0416 ")


def test_a_reader_that_has_ended_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(sys, "stdout", opened(writing, "utf-8"))
    print("x" * 100_000)
    console.close_console()


def test_a_lost_terminal_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, writing = os.openpty()
    stream = opened(writing, "utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    assert stream.isatty()
    os.close(terminal)
    print("x" * 100_000)
    console.close_console()


def test_a_full_disk_is_said_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(sys, "stdout", opened(full.fileno(), "utf-8"))
        print("x" * 100_000)
        with pytest.raises(OSError, match="No space left on device"):
            console.close_console()


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_foreign_text_is_one_line_without_controls(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("red\x1b[31m", "red\\x1b[31m"),
        ("a\n  rate  50 Hz", "a\\n  rate  50 Hz"),
        ("\x9b2J\x07\x08\x7f", "\\x9b2J\\x07\\x08\\x7f"),
        ("abc\u202edef\u2028", "abc\\u202edef\\u2028"),
        ("Żółw 中", "Żółw 中"),
    ],
)
def test_control_characters_are_shown(foreign: str, shown: str) -> None:
    assert plain(foreign) == shown


@pytest.mark.parametrize(
    ("environment", "live", "colored"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "unknown"}, False, False),
    ],
)
def test_a_terminal_is_used_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], live: bool, colored: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal, writing = os.openpty()
    stream = opened(writing, "utf-8")
    assert (is_live(stream), is_colored(stream)) == (live, colored)
    os.close(terminal)
    with Path("/dev/null").open("w") as file:
        assert not is_live(file)


@pytest.mark.parametrize(("columns", "rows"), [(20, 4), (79, 24), (200, 3)])
def test_a_live_table_fits_any_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, rows: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    lines = [f"\x1b[1m{'µ' * 40}\x1b[0m\x1b[31m{'x' * 40}\x1b[0m"] * 10
    shown = _redraw(lines, 0)
    drawn = capsys.readouterr().out.splitlines()
    assert shown == len(drawn) == min(10, rows - 1)
    for line in drawn:
        bare = line.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[31m", "")
        assert len(bare) == min(80, columns - 1)
        assert line.endswith("\x1b[0m")
    assert cropped("short", 80) == "short"
