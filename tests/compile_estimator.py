"""Compiles the estimator of a task's robot into numba's cache, before the tests' workers need it.

Two workers that start with an empty cache would compile the same functions at the same time.
"""

import sys

from edge_runtime.estimators import find_fusion
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.description import describe

TASKS = {"vqf": "HumanoidVelocity", "legged": "HumanoidVelocity", "wheeled": "VehicleTrack"}


def compile_estimator(name: str) -> None:
    """Makes an estimator ready for its robot, which compiles its functions.

    Args:
        name: `vqf`, `legged` or `wheeled`.
    """
    task = find_task(TASKS[name])
    envs = TaskVectorEnv(task, 1, threads=1)
    find_fusion(name, envs.contract(), describe(task, 1))
    envs.close()


if __name__ == "__main__":
    compile_estimator(sys.argv[1])
