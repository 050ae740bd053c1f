"""Sets how the task is trained; without a recipe, by the defaults."""

from my_robot.task import PupTrot
from policies.train.config import PPOConfig, TrainConfig

PUP_TROT = TrainConfig(task=PupTrot(), steps=4_000_000, ppo=PPOConfig(entropy=0.0002))
