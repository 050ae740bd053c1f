"""Runs a module of sim2edge as a program in a process of its own."""

import sys
from pathlib import Path

# Not `python -m`, for which a user's own sim.py in the working folder would come first; and
# `python -P` came with 3.11 only.
_START = (
    "import runpy, sys; house, module = sys.argv[1:3]; del sys.argv[1:3];"
    "sys.path = [path for path in sys.path if path] + [house];"
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def child_program(module: str) -> list[str]:
    """Returns the command line of a module beside this runtime; arguments may be added.

    Args:
        module: whose ``__main__`` it is, as ``sim.server.simulated_robot``.
    """
    return [sys.executable, "-c", _START, str(Path(__file__).resolve().parents[1]), module]
