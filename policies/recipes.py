"""How each task is trained best, as far as we know: where `sim2edge train TASK` starts from."""

import dataclasses

from policies.config import PPOConfig, TrainConfig
from sim.tasks import find_task

RECIPES: dict[str, TrainConfig] = {
    "HumanoidVelocity": TrainConfig(
        task=None,
        steps=11_500_000,
        ppo=PPOConfig(entropy=0.0002),
    ),
    "VehicleTrack": TrainConfig(task=None, steps=7_000_000),
    "Humanoid-v5": TrainConfig(task=None, steps=10_000_000),
}


def recipe(task_name: str) -> TrainConfig:
    """The training of that task, with its defaults.

    Raises:
        UserError: there is no such task.
    """
    task = find_task(task_name)
    known = RECIPES.get(task.name, TrainConfig(task=None))
    return dataclasses.replace(known, task=task)
