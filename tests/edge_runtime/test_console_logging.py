import logging
from collections.abc import Iterator

import pytest

from edge_runtime.console import ConsoleHandler
from sim2edge.__main__ import main as sim2edge

NAME = "edge_runtime.some.module"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root, packages = logging.getLogger(), [logging.getLogger(n) for n in ("edge_runtime", "sim")]
    handlers, levels = root.handlers[:], [logger.level for logger in packages]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(packages, levels):
        logger.setLevel(level)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    logging.getLogger(NAME).info("a note")
    logging.getLogger("somebody.else").info("their note")
    logging.getLogger("somebody.else").warning("their warning")
    return capsys.readouterr().err


def test_a_command_shows_notes_plainly_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        sim2edge(["--version"])
    capsys.readouterr()
    assert shown(capsys) == "a note\ntheir warning\n"


def test_a_library_alone_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    root.handlers[:] = [h for h in root.handlers if not isinstance(h, ConsoleHandler)]
    logging.getLogger("edge_runtime").setLevel(logging.NOTSET)
    assert "note" not in shown(capsys)
