"""Lists how each task is trained best, as far as we know: `sim2edge train TASK` starts from it."""

from edge_runtime.errors import UserError
from policies.train.config import PPOConfig, TrainConfig
from sim.reference.humanoid_v5 import HumanoidV5
from sim.tasks import RECIPES, TASKS, find_task
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.driving.settings import DrivingPractice
from sim.tasks.events import PushConfig
from sim.tasks.velocity_commands import VelocityCommand
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.settings import Practice
from sim.terrain.terrain import TerrainConfig

# What the gauntlet has, and a little more: pushes that reach 1.4 m/s there, load, arms, ground.
_HARD = HumanoidVelocity(
    pushes=PushConfig(duration=0.08),
    practice=Practice(
        push_interval=(1.5, 3.5),
        push_speed=(0.1, 1.5),
        push_grow=True,
        payload=(-1.0, 5.0),
        hand_mass=(0.0, 1.5),
        arm_offset=0.3,
    ),
    # A robot that falls by a push would go down a level of ground too, and never see the hard ones.
    terrain=TerrainConfig(kinds=("flat", "slope", "steps"), curriculum=False),
    command=VelocityCommand(standing=0.1),
)
# A car must not take silence for a road, nor a wet road for a dry one.
_BLIND = VehicleTrack(
    practice=DrivingPractice(blind=(0.0, 0.6), friction=(0.55, 1.1), payload=(0.0, 32.0))
)

HUMANOID_VELOCITY = TrainConfig(
    task=HumanoidVelocity(), steps=11_500_000, ppo=PPOConfig(entropy=0.0002)
)
HUMANOID_GAUNTLET = TrainConfig(
    task=_HARD,
    steps=40_000_000,
    ppo=PPOConfig(learning_rate=2e-4, initial_log_std=-1.2, symmetry=0.5),
)
VEHICLE_TRACK = TrainConfig(task=VehicleTrack(), steps=7_000_000)
VEHICLE_GAUNTLET = TrainConfig(
    task=_BLIND, steps=4_000_000, ppo=PPOConfig(learning_rate=3e-4, initial_log_std=-2.4)
)
HUMANOID_V5 = TrainConfig(task=HumanoidV5(), steps=10_000_000)


def trainings() -> list[str]:
    """Returns what `sim2edge train` can be asked for: every recipe, and every task."""
    return sorted({*RECIPES, *TASKS})


def recipe(name: str) -> TrainConfig:
    """Returns the training of that name; a task without a recipe is trained with the defaults.

    Raises:
        UserError: there is none.
    """
    if name in RECIPES:
        config = RECIPES.find(name)
        if not isinstance(config, TrainConfig):
            raise UserError(f"training recipe '{name}' is no policies.train.config.TrainConfig")
        return config
    if name in TASKS:
        return TrainConfig(task=find_task(name))
    raise TASKS.unknown(name, trainings())
