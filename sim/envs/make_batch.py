"""Makes N simulations of any task, those of the robots and the reference task alike."""

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.protocols import BatchEnv, BatchTask


def make_batch(
    task: BatchTask,
    num_envs: int = 1,
    *,
    seed: int = 0,
    threads: int = 0,
    stagger: bool = False,
) -> BatchEnv:
    """Makes the vector environment that runs a task; see `TaskVectorEnv` for the arguments."""
    return task.make_batch(TaskVectorEnv, num_envs, seed=seed, threads=threads, stagger=stagger)
