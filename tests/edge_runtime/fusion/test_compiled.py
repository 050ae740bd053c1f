"""With and without numba a filter gives the same numbers: there is one source."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion.compiled import forget_stale

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


def test_what_was_compiled_before_a_change_is_forgotten(tmp_path: Path):
    """The changed source lies in another room than the index of the function that calls it."""
    cache = tmp_path / "legged" / "__pycache__"
    cache.mkdir(parents=True)
    stamps = {"lie.py": 200, "legged/caller.py": 100, "legged/__pycache__/old.nbi": 150}
    for name, stamp in (stamps | {"legged/__pycache__/new.nbi": 250}).items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (stamp, stamp))
    forget_stale(tmp_path)
    assert [file.name for file in cache.iterdir()] == ["new.nbi"]
    forget_stale(tmp_path / "nowhere")
