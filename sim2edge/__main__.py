"""Opens the front door: lists the commands, and imports a command's module only when it is called.

So a robot without simulator or trainer still has `run` and `inspect`.
"""

import errno
import importlib
import os
import re
import signal
import sys
from importlib.metadata import requires, version
from pathlib import Path

from edge_runtime.console_log import log_to_stderr
from edge_runtime.errors import UserError, suggestion
from edge_runtime.plugins import import_everywhere
from edge_runtime.stop_signals import EXIT_CODE, Ended, ending
from sim2edge.commands import COMMANDS
from sim2edge.options import parse

USER_ERROR = 2
IMPORT_OPTION = "--import"
INTERRUPTED = EXIT_CODE + signal.SIGINT
_WAYS_OUT = {
    errno.ENOSPC: "make room or write elsewhere",
    errno.EDQUOT: "make room or write elsewhere",
    errno.EACCES: "ask for the right to it, or name another",
    errno.EROFS: "it may only be read; name another",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the command's name and its options; those of the process by default.

    Returns:
        The exit code: 0 for success, 2 for a mistake of the user's (one line on stderr says
        which), else what the command returned.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    log_to_stderr("edge_runtime", "sim", "policies", "sim2edge_ros")
    try:
        with ending():
            return _run(_import(arguments))
    except UserError as error:
        return _refuse(str(error))
    except Ended as ended:
        print(ended, file=sys.stderr)
        return ended.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _WAYS_OUT:
            raise
        what = error.filename or "writing"
        return _refuse(f"{what}: {error.strerror}; {_WAYS_OUT[error.errno]}")


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(version("sim2edge"))
        return 0
    name, *options = arguments
    if name not in COMMANDS:
        raise UserError(f"unknown command '{name}'; {suggestion(name, COMMANDS)}")
    command = COMMANDS[name]
    try:
        module = importlib.import_module(command.module)
        return int(module.main(parse(name, command, module, options)))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _brought_by(command.extra):
            raise
        raise UserError(
            f"'{name}' needs {missing}, which is not installed; "
            f"pip install 'sim2edge[{command.extra}]'"
        ) from None


def _brought_by(extra: str) -> set[str]:
    """Returns the modules that one of our extras installs, by the packages that it lists."""
    modules: set[str] = set()
    for requirement in requires("sim2edge") or ():
        package, _, marker = requirement.partition(";")
        if not re.search(rf"extra == .{extra}\W", marker):
            continue
        name, _, inner = re.split(r"[<>=!~ ]", package)[0].rstrip("]").partition("[")
        if name == "sim2edge":
            modules |= set().union(*map(_brought_by, inner.split(",")))
        else:
            name = name.removeprefix("ros-jazzy-").replace("-", "_")
            modules.add({"pillow": "PIL"}.get(name, name))
    return modules


def _import(arguments: list[str]) -> list[str]:
    """Imports what ``--import`` names, anywhere on the command line; returns other arguments."""
    rest: list[str] = []
    modules: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option != IMPORT_OPTION:
            rest.append(word)
            continue
        names = (value if equals else next(words, "")).split(",")
        if not all(names) or names[0].startswith("-"):
            raise UserError(f"{IMPORT_OPTION}: name a module, as in '{IMPORT_OPTION} my_robot'")
        modules += names
    if modules:
        import_everywhere(modules)
    return rest


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: sim2edge COMMAND [options]",
            "",
            *lines,
            "",
            "'sim2edge COMMAND --help' shows the options of one. Each takes '--import MODULE' too,",
            "for a module of yours that registers robots, tasks, terms, estimators or algorithms.",
        ]
    )


def _refuse(message: str) -> int:
    print(f"sim2edge: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


if __name__ == "__main__":
    # `python -m` puts the working folder first, where a user's own sim.py would hide ours.
    if sys.path[0] == os.getcwd():
        sys.path[:] = [*sys.path[1:], str(Path(__file__).parents[1])]
    sys.exit(main())
