"""N simulations of any task, the robots' and the reference task alike."""

from sim.envs.vector_env import TaskVectorEnv
from sim.reference.humanoid_v5 import HumanoidV5, HumanoidV5VectorEnv
from sim.tasks.task import TaskConfig

Batch = TaskVectorEnv | HumanoidV5VectorEnv


def make_batch(
    task: TaskConfig | HumanoidV5,
    num_envs: int = 1,
    *,
    seed: int = 0,
    threads: int = 0,
    stagger: bool = False,
) -> Batch:
    """The vector environment that runs a task; see there for the arguments."""
    if isinstance(task, HumanoidV5):
        return HumanoidV5VectorEnv(task, num_envs, seed=seed, threads=threads, stagger=stagger)
    return TaskVectorEnv(task, num_envs, seed=seed, threads=threads, stagger=stagger)
