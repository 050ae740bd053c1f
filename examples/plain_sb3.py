"""Trains a policy with plain Stable-Baselines3, for a robot.

sim2edge export out/sb3/model.zip --task VehicleTrack    # one file, with the normalizer in it
sim2edge run out/sb3/model.onnx
"""

from pathlib import Path

import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from policies.train.sb3_env import sim2edge_vec_env


def main(
    task: str = "VehicleTrack",
    steps: int = 3_000_000,
    num_envs: int = 64,
    output: Path = Path("out/sb3"),
) -> None:
    """Trains, and saves the model and its normalizer where `sim2edge export` finds them."""
    env = VecNormalize(sim2edge_vec_env(task, num_envs))
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=64 * num_envs // 8, n_epochs=5, seed=0)
    model.learn(steps)
    output.mkdir(parents=True, exist_ok=True)
    model.save(output / "model")
    env.save(str(output / "vecnormalize.pkl"))


if __name__ == "__main__":
    tyro.cli(main)
