import dataclasses
from pathlib import Path

import pytest

from policies.train.recipes import recipe
from policies.train.run_folder import RunFolder
from policies.train.training import Training


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("algorithm", "iterations"), [("ppo", 80), ("sac", 12)])
def test_the_car_learns_to_get_on(
    algorithm: str, iterations: int, seed: int, tmp_path: Path
) -> None:
    base = recipe("VehicleTrack")
    config = dataclasses.replace(
        base,
        seed=seed,
        algorithm=algorithm,
        num_envs=64,
        learning_threads=1,  # two that wait for each other are slow beside other processes
        ppo=dataclasses.replace(base.ppo, horizon=32, minibatch=256),
        sac=dataclasses.replace(base.sac, batch=256, gradient_steps=16, learning_starts=4000),
    )
    training = Training(config, RunFolder.create(tmp_path / "run", config, {}))
    progress = [training.iterate()["reward/progress"] for _ in range(iterations)]
    # At first it drives at random into the next wall, then it learns to stand, at last to drive.
    untrained, trained = progress[:2], progress[-3:]
    assert sum(trained) / 3 > 1.5 * sum(untrained) / 2
    training.close()
