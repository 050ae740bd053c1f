"""Prints to whatever stdout and stderr are: terminals, files, pipes, or nothing.

A terminal that is not UTF-8 gets other letters for those it lacks. A lost terminal, a pipe without
a reader and a full disk take nothing away from the work: what is printed then is dropped.
"""

import codecs
import errno
import io
import logging
import os
import re
import sys
from typing import Any, TextIO

_ERRORS = "sim2edge"  # name of the handler for letters that an encoding lacks
_LETTERS = {
    "±": "+-",
    "µ": "u",
    "°": " deg",
    "×": "x",
    "·": "*",
    "²": "^2",
    "→": "->",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "–": "-",
    "—": "-",
    "’": "'",
    "σ": "sigma",
    **dict.fromkeys("█▉▊▋▌▍▎▏", "#"),
    **dict.fromkeys("─━", "-"),
    **dict.fromkeys("│┃", "|"),
}
_GONE = (errno.EPIPE, errno.EIO, errno.EBADF)  # the reader or the terminal has ended


def plain(text: object) -> str:
    """Returns a text from elsewhere in one line, its control characters shown, not obeyed."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(text))


def is_live(stream: TextIO | None = None) -> bool:
    """Returns whether a stream, by default stdout, is a terminal that can move its cursor."""
    stream = stream or sys.stdout
    if stream is None:  # closed
        return False
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def is_colored(stream: TextIO | None = None) -> bool:
    """Returns whether a stream, by default stdout, shows colours; see https://no-color.org."""
    return is_live(stream) and not os.environ.get("NO_COLOR")


def cropped(line: str, width: int) -> str:
    """Returns the beginning of a line that fits into so many columns; colours take up none."""
    kept, left = [], width
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        kept.append(part if part.startswith("\x1b") else part[:left])
        left -= 0 if part.startswith("\x1b") else len(kept[-1])
    return "".join(kept)


class _Output(io.FileIO):
    """Writes to a file descriptor, and nowhere once that has failed."""

    error: OSError | None = None

    def write(self, content: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        if self.error is None:
            try:
                return super().write(content)
            except OSError as error:
                self.error = error
        return len(content)


def open_console() -> None:
    """Makes the streams of this process such that printing never fails; it is called once."""
    codecs.register_error(_ERRORS, _replaced)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed; the next file to be opened must not get its number
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout, sys.stderr = _opened(1, sys.stdout), _opened(2, sys.stderr)


def close_console() -> None:
    """Writes what is still to be printed on stdout.

    Raises:
        OSError: it could not be written, for another reason than that its reader has ended.
    """
    sys.stdout.flush()
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(output, _Output) and output.error and output.error.errno not in _GONE:
        output.error.filename = "standard output"
        raise output.error


def _opened(number: int, before: TextIO | None) -> TextIO:
    by_line, at_once, encoding = number == 2, False, "utf-8"
    if isinstance(before, io.TextIOWrapper):
        before.flush()
        by_line, at_once = before.line_buffering, before.write_through
        encoding = before.encoding
    raw: Any = _Output(number, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, _ERRORS, line_buffering=by_line, write_through=at_once
    )


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Replaces letters that an encoding lacks, and bytes of a name that are none of its own."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_LETTERS.get(c) or _escaped(c) for c in letters), error.end


def _escaped(letter: str) -> str:
    code = ord(letter)  # of a byte that Python could not decode, 0xdc00 and the byte
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code < 0xDD00 else ascii(letter)[1:-1]


class ConsoleHandler(logging.Handler):
    """Writes each message plainly to whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record to stderr; an error in doing so ends nothing."""
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:  # a message must not end what it is about
            self.handleError(record)


def log_to_stderr(*packages: str) -> None:
    """Shows messages on stderr: of these packages from INFO up, of all others from WARNING up.

    A program calls this at its start; a second call adds no second handler. A library that is
    imported without such a program behaves as `logging` has it.

    Args:
        packages: names of loggers, as ``edge_runtime``.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, ConsoleHandler) for handler in root.handlers):
        root.addHandler(ConsoleHandler())
    for package in packages:
        logging.getLogger(package).setLevel(logging.INFO)
