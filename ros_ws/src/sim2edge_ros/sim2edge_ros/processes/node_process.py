"""How the process of a node begins, and by what it is asked to end."""

import ctypes
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from edge_runtime.errors import UserError
from sim2edge_ros.processes.transport import use_udp
from sim2edge_ros.settings.distro import ROSError

REFUSED = 2  # exit code of a node that will not do better the next time
PARENT = "SIM2EDGE_PARENT"  # without which a node ends; `up` and the launch files set it
_PR_SET_PDEATHSIG = 1  # of prctl


def asked_to_end() -> threading.Event:
    """Set by Ctrl-C, SIGTERM, a terminal that is closed, and the end of who started the nodes."""
    event = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup has it ignored.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: event.set())
    end_with_parent()
    return event


def end_with_parent() -> None:
    """Get SIGTERM when the process that `PARENT` names ends, however it does.

    Or the nodes of one that was killed would drive the robot for ever.
    """
    parent = int(os.environ.get(PARENT, 0))
    if not parent or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    try:
        os.kill(parent, 0)
    except ProcessLookupError:  # it had ended before
        os.kill(os.getpid(), signal.SIGTERM)


def initialize(context: Context, arguments: Sequence[str] | None) -> None:
    """rclpy with these arguments, messages over UDP, signals left to `asked_to_end`.

    Raises:
        UserError: an argument, a parameter file or the domain is wrong.
    """
    use_udp()
    try:
        rclpy.init(
            args=None if arguments is None else list(arguments),
            context=context,
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except (ROSError, RuntimeError, ValueError) as error:
        raise UserError(without_sources(str(error))) from None


def refuse(context: Context, node: str, error: UserError) -> int:
    """Say why a node does not start; its exit code."""
    print(f"{node}: {error}", file=sys.stderr, flush=True)
    context.try_shutdown()
    return REFUSED


def without_sources(message: str) -> str:
    """A message of rcl's without where in its source it arose."""
    message = " ".join(message.split()).removeprefix("failed to initialize rcl: ")
    return re.sub(r",? at /\S+:\d+", "", message)
