import dataclasses
from pathlib import Path

import pytest

from policies.train.recipes import recipe
from policies.train.run_folder import RunFolder
from policies.train.training import Training


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "iterations"), [("ppo", 24), ("sac", 16)])
def test_the_car_learns_to_get_on(algorithm: str, iterations: int, tmp_path: Path) -> None:
    base = recipe("VehicleTrack")
    config = dataclasses.replace(
        base,
        algorithm=algorithm,
        num_envs=64,
        learning_threads=1,  # two that wait for each other are slow beside other processes
        ppo=dataclasses.replace(base.ppo, horizon=32, minibatch=256),
        sac=dataclasses.replace(base.sac, batch=256, gradient_steps=16, learning_starts=4000),
    )
    training = Training(config, RunFolder.create(tmp_path / "run", config, {}))
    progress = [training.iterate()["reward/progress"] for _ in range(iterations)]
    # At first it crashes into the next wall, then it learns to stand, and at last to drive.
    assert sum(progress[-3:]) > 2.0 * sum(progress[1:4])
    training.close()
