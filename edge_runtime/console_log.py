"""Shows what a library logs to the user of a command or of a node."""

import logging
import sys


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
