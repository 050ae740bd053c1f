"""Makes N simulations of any task, those of the robots and the reference task alike."""

from typing import Any

from sim.envs.arguments import check_arguments
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.protocols import BatchEnv, BatchTask


def make_batch(
    task: BatchTask,
    num_envs: int = 1,
    *,
    seed: int = 0,
    threads: int = 0,
    stagger: bool = False,
    **options: Any,
) -> BatchEnv:
    """Makes the vector environment that runs a task; see `TaskVectorEnv` for the arguments.

    Raises:
        UserError: one of them cannot be, or is none that the task's batch takes.
    """
    check_arguments(task, num_envs, seed, threads)
    return task.make_batch(
        TaskVectorEnv, num_envs, seed=seed, threads=threads, stagger=stagger, **options
    )
