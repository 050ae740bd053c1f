"""With and without numba a filter gives the same numbers: there is one source."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion import compiled

PROGRAM = """
import sys
if sys.argv[2] == "plain":
    sys.modules["numba"] = None  # as where it is not installed
import numpy as np
from dataclasses import replace
from edge_runtime.fusion import compiled
from edge_runtime.fusion.legged.filter import LeggedFilter
from edge_runtime.fusion.legged.config import LeggedConfig
from edge_runtime.fusion.measurement import Feet
from tests.edge_runtime.fusion.walker import Walker

assert (compiled.numba is None) == (sys.argv[2] == "plain")
rows = []
for points in (1, 2):
    estimator = LeggedFilter(LeggedConfig(feet=2 * points, points=points, slip_gate=12.0))
    for moment in Walker(seconds=1.5).walk():
        feet = moment.feet
        feet.position[0, 1] += 0.3 * max(moment.stamp - 1.2, 0.0)  # it slips
        heel_toe = np.array([[-0.1, 0.0, 0.0], [0.1, 0.0, 0.0]])[:points]
        at = (feet.position[:, None] + heel_toe @ moment.rotation).reshape(-1, 3)
        estimator.predict(moment.imu)
        estimator.update(Feet(feet.stamp, at, np.repeat(feet.contact, points)))
    e = estimator.estimate
    parts = (e.attitude, e.velocity, e.position, e.gyro_bias, e.accel_bias, e.covariance.ravel())
    rows.append(np.concatenate(parts))
np.save(sys.argv[1], np.array(rows))
"""


def test_compiled_and_plain_give_the_same_numbers(tmp_path):
    pytest.importorskip("numba")
    results = []
    for how in ("compiled", "plain"):
        file = tmp_path / f"{how}.npy"
        command = [sys.executable, "-c", PROGRAM, str(file), how]
        subprocess.run(command, check=True, timeout=300)
        results.append(np.load(file))
    assert results[0] == pytest.approx(results[1], abs=1e-9)
    assert np.isfinite(results[0]).all()


CALLER = """
from edge_runtime.fusion.attitude.called import number
from edge_runtime.fusion.compiled import compiled


@compiled
def twice():
    return 2.0 * number()


print(twice(), sum(twice.stats.cache_hits.values()))
"""
CALLED = """
from edge_runtime.fusion.compiled import compiled


@compiled
def number():
    return {number}
"""


@pytest.mark.parametrize(
    ("writable", "clock"),
    [
        pytest.param(
            writable,
            clock,
            id=f"{writable}{behind}",
            marks=[pytest.mark.slow] * ((writable, behind) != ("install", ", clock behind")),
        )
        for writable in ("install", "home", "temporary folder")
        for clock, behind in ((-100.0, ""), (1e7, ", clock behind"))
    ],
)
def test_a_change_is_seen_by_a_compiled_caller_in_another_room(
    tmp_path: Path, writable: str, clock: float
) -> None:
    """A board without a battery lives before the day of the install, and compiles once too."""
    pytest.importorskip("numba")
    fusion = tmp_path / "edge_runtime" / "fusion"
    for room in ("attitude", "legged"):
        (fusion / room).mkdir(parents=True)
        if writable != "install":
            (fusion / room / "__pycache__").touch()  # as in a folder of somebody else's
    shutil.copy(compiled.__file__, fusion)
    called, caller = fusion / "attitude" / "called.py", fusion / "legged" / "caller.py"
    called.write_text(CALLED.format(number=1.0))
    caller.write_text(CALLER)
    for source in fusion.rglob("*.py"):
        os.utime(source, (time.time() + clock,) * 2)
    home = str(tmp_path) if writable != "temporary folder" else "/dev/null/nobody"
    folders = {"HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": str(tmp_path)}

    def run() -> list[str]:
        command = [sys.executable, "-m", "edge_runtime.fusion.legged.caller"]
        environment = os.environ | folders | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": ""}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        notes = int(writable == "temporary folder")
        assert done.stderr.count("compiled code is kept in") == notes, done.stderr
        return done.stdout.split()

    assert run() == ["2.0", "0"]
    assert run() == ["2.0", "1"]  # from the disk
    called.write_text(CALLED.format(number=3.0))
    assert run() == ["6.0", "0"]
    assert run() == ["6.0", "1"]
