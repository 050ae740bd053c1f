"""An edge node that compiles, or waits for anything else before it moves, obeys signals."""

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

_SLOW = """
import sys, time
from sim2edge_ros.edge import drive, edge_node

def compile(*_):
    print("compiling", flush=True)
    time.sleep(60.0)

drive.find_fusion = compile
given = ["-p", "robot:=vehicle", "-p", "autostart:=true"]
sys.exit(edge_node.main(["edge_node", "--ros-args", *given]))
"""


_IMPORTS = _SLOW.replace(
    "def compile",
    """class Slow:
    def __set_name__(self, *_):
        compile()

def imported(*_):
    type("Imported", (), {"slow": Slow()})  # as an import makes classes

def compile""",
).replace("= compile", "= imported")


@pytest.mark.parametrize("program", [_SLOW, _IMPORTS], ids=["compiles", "imports"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_that_prepares(number: signal.Signals, program: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "compiling\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(30.0) == 0
        assert time.monotonic() - began < 15.0, "on a busy machine"
        assert "Traceback" not in process.stderr.read()
