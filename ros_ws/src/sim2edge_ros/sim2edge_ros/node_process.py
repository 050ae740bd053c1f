"""Starts the process of a node and handles the requests to end it."""

import ctypes
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from edge_runtime.console import log_to_stderr
from edge_runtime.errors import UserError
from edge_runtime.stop_signals import stop_signals
from sim2edge_ros.messages.transport import use_udp
from sim2edge_ros.settings.distro import ROSError
from sim2edge_ros.settings.sections import renamed

REFUSED = 2  # exit code of a node that would be refused again
PARENT = "SIM2EDGE_PARENT"  # process id with which a node ends; `up` and the launch files set it
_PR_SET_PDEATHSIG = 1  # an option of prctl(2)
_INTERRUPTIBLE = threading.Event()  # whether a signal may end what the main thread does


class InterruptedBySignal(BaseException):
    """Ends what may take minutes, because the process was asked to end."""


def raise_interruption(error: BaseException) -> None:
    """Raises the interruption that an error came of, if any: Python wraps what is raised while a
    class is made, such as in an import."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InterruptedBySignal):
            raise cause from None
        cause = cause.__cause__ or cause.__context__


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets the signals of `end_event` end what the main thread does in this context, by raising."""
    _INTERRUPTIBLE.set()
    try:
        yield
    finally:
        _INTERRUPTIBLE.clear()


def end_event() -> threading.Event:
    """Returns an event that is set by Ctrl-C, SIGTERM, a closed terminal and the end of
    the parent."""
    event = threading.Event()

    def handle(*_: object) -> None:
        event.set()
        if _INTERRUPTIBLE.is_set():
            _INTERRUPTIBLE.clear()
            raise InterruptedBySignal

    for number in stop_signals():
        signal.signal(number, handle)
    end_with_parent()
    return event


def end_with_parent() -> None:
    """Asks the kernel for SIGTERM when the process named by `PARENT` ends, in whatever way.

    Otherwise nodes whose parent was killed would drive the robot for ever.
    """
    parent = int(os.environ.get(PARENT, 0))
    if not parent or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    try:
        os.kill(parent, 0)
    except ProcessLookupError:  # the parent had already ended
        os.kill(os.getpid(), signal.SIGTERM)


def run_node(
    usual: str,
    arguments: Sequence[str] | None,
    make: Callable[[Context, str], Callable[[], int | None]],
) -> int:
    """Runs the process of a node from its arguments to its end.

    Args:
        usual: the node's name in the package's parameter files.
        arguments: the process's; None for `sys.argv`.
        make: makes the node in a context that is initialized, under the name that it was given;
            returns what serves it until its end, which may return another exit code than 0.

    Returns:
        The exit code, which is `REFUSED` where `make` raises a UserError.
    """
    context = Context()
    name, rest = split_name(sys.argv if arguments is None else arguments, usual)
    try:
        initialize(context, rest, usual, name)
        serve = make(context, name)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        context.try_shutdown()
        return REFUSED
    code = serve() or 0
    context.try_shutdown()
    return code


def spin_until(ended: Callable[[], bool], node: Node) -> None:
    """Serves a node's callbacks in this thread until `ended`, which is asked five times a second
    at least."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while not ended():
        executor.spin_once(timeout_sec=0.2)


def split_name(arguments: Sequence[str], usual: str) -> tuple[str, list[str]]:
    """Returns the node's name among the arguments, and the other arguments.

    A rule such as `-r __node:=NAME`, which `launch` writes, would rename all nodes of the process.
    """
    name, rest = usual, list[str]()
    for argument in arguments:
        rule, _, value = argument.partition(":=")
        if rule in ("__node", "__name") and rest and rest[-1] in ("-r", "--remap"):
            rest.pop()
            name = value
        else:
            rest.append(argument)
    return name, rest


def initialize(context: Context, arguments: Sequence[str], usual: str, name: str) -> None:
    """Initializes rclpy with these arguments, messages over UDP, and signals left to `end_event`.

    Args:
        context: what is initialized.
        arguments: the process's.
        usual: the node's name in the package's parameter files.
        name: the name that it was given, which those sections are for, too.

    Raises:
        UserError: an argument, a parameter file or the domain is wrong.
    """
    log_to_stderr("edge_runtime", "sim2edge_ros")
    use_udp()
    try:
        with renamed(arguments, usual, name) as words:
            no_handlers = SignalHandlerOptions.NO
            rclpy.init(args=words, context=context, signal_handler_options=no_handlers)
    except (ROSError, RuntimeError, ValueError) as error:
        raise UserError(without_sources(str(error))) from None


def without_sources(message: str) -> str:
    """Removes from an rcl message the place in the source where it arose."""
    message = " ".join(message.split()).removeprefix("failed to initialize rcl: ")
    return re.sub(r",? at /\S+:\d+", "", message)
