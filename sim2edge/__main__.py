"""Opens the front door: lists the commands, and imports a command's module only when it is called.

So a robot without simulator or trainer still has `run` and `inspect`.
"""

import contextlib
import importlib
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from edge_runtime.console import close_console, log_to_stderr, open_console, plain
from edge_runtime.errors import UserError, suggestion
from edge_runtime.extras import brought_by, install_line
from edge_runtime.files import way_out
from edge_runtime.plugins import import_everywhere
from edge_runtime.policy.shipped import shipped_policies
from edge_runtime.stop_signals import EXIT_CODE, Ended, ending
from sim2edge.commands import COMMANDS
from sim2edge.options import parse, writes_stdout

USER_ERROR = 2
IMPORT_OPTION = "--import"
INTERRUPTED = EXIT_CODE + signal.SIGINT


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the command's name and its options; those of the process by default.

    Returns:
        The exit code: 0 for success, 2 for a mistake of the user's (one line on stderr says
        which), else what the command returned.
    """
    if arguments is None:
        arguments = sys.argv[1:]
        open_console()
    log_to_stderr("edge_runtime", "sim", "policies", "sim2edge_ros")
    try:
        with ending():
            code = _run(_import(arguments))
            close_console()
            return code
    except UserError as error:
        return _refuse(str(error))
    except Ended as ended:
        print(ended, file=sys.stderr)
        return ended.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except MemoryError as error:
        why = f" ({error})" if str(error) else ""
        return _refuse(f"memory is too short for this{why}; ask for less at once")
    except OSError as error:
        hint = way_out(error)
        if not hint:
            raise
        return _refuse(f"{error.filename or 'writing'}: {error.strerror}; {hint}")


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
        try:
            config = parse(name, command, module, options)
        except SystemExit:  # --help was asked for, and must be written like all else
            return 0
        # Where a file goes to stdout, messages go to stderr, so that the file stays whole.
        messages = sys.stderr if writes_stdout(config) else sys.stdout
        with contextlib.redirect_stdout(messages):
            return int(module.main(config))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in brought_by(command.extra):
            raise
        raise UserError(
            f"'{name}' needs {missing}, which is not installed; {install_line(command.extra)}"
        ) from None


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
            "",
            "Wherever a command takes a policy file, it takes the name of one that comes with",
            f"sim2edge, unless a file here has that name: {', '.join(shipped_policies())}",
        ]
    )


def _refuse(message: str) -> int:
    print(f"sim2edge: {plain(' '.join(message.split()))}", file=sys.stderr)
    return USER_ERROR


if __name__ == "__main__":
    # `python -m` puts the working folder first, where a user's own sim.py would hide ours.
    if sys.path[0] == os.getcwd():
        sys.path[:] = [*sys.path[1:], str(Path(__file__).resolve().parents[1])]
    sys.exit(main())
