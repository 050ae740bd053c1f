"""PyBullet is optional: without it everything else works, and its use is refused."""

import subprocess
import sys
from pathlib import Path

from edge_runtime.extras import install_line

ROOT = Path(__file__).parents[3]


def test_without_pybullet_only_its_engine_is_missing() -> None:
    program = """
import sys
sys.modules["pybullet"] = None  # cannot be imported
from edge_runtime.errors import UserError
from sim.tasks import find_task
from sim.envs.vector_env import TaskVectorEnv
task = find_task("VehicleTrack")
TaskVectorEnv(task, 1, threads=1).close()
try:
    TaskVectorEnv(task, 1, threads=1, engine="bullet")
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    line = f"the engine 'bullet' needs PyBullet: {install_line('bullet')}\n"
    assert done.stdout == line, done.stderr
