"""A gauntlet of another package runs as ours do, and a task without one says what there is."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.random import Generator

from edge_runtime.config.fields import Range, setting
from edge_runtime.errors import UserError
from edge_runtime.signals import Float, Rows
from policies.evaluation.policy_file import PolicyFile
from policies.gauntlet.gauntlet_suite import figures_of, run_gauntlet
from policies.gauntlet.protocol import GauntletProtocol, find_protocol
from policies.gauntlet.trial_env import (
    GAUNTLETS,
    GauntletNumbers,
    GauntletRun,
    TrialEnv,
    TrialOutcome,
)
from sim.tasks.driving.config import VehicleTrack


@dataclasses.dataclass(frozen=True)
class Tows(GauntletNumbers):
    """The numbers of the gauntlet below."""

    force: Range = setting((0.0, 50.0), "Force of the rope.", "N", at_least=0)


@GAUNTLETS.register("tows of a test")
class TowTrials(TrialEnv):
    """Tows a car backwards."""

    protocol: Tows = Tows()

    def __init__(
        self, task: VehicleTrack, protocol: Tows, run: GauntletRun, trials: Iterable[int], rows: int
    ) -> None:
        super().__init__(task, protocol, run, trials, rows)
        self.force = np.zeros(rows)

    @staticmethod
    def prepare_task(task: VehicleTrack, protocol: Tows, seed: int) -> VehicleTrack:
        lidar = dataclasses.replace(task.lidar, dropout=0.0)  # drawn for all cars together
        return dataclasses.replace(task.unseen(seed), episode_seconds=1.0, lidar=lidar)

    def prepare(self, rows: Rows, rngs: list[Generator]) -> list[dict[str, float]]:
        self.force[rows] = [rng.uniform(*self.protocol.force) for rng in rngs]
        return [{"force_N": force} for force in self.force[rows].tolist()]

    def disturb(self, control: Float) -> Float:
        body = self.engine.model.body("chassis").id
        self.engine.external_force[:, body, 0] = -self.force
        return control

    def outcome(self, row: int, fell: bool) -> TrialOutcome:
        return TrialOutcome(not fell, f"towed with {self.force[row]:.1f} N")


class Towed(VehicleTrack):
    gauntlet: ClassVar[str] = "tows of a test"


class WithoutOne(VehicleTrack):
    gauntlet: ClassVar[str] = ""


@pytest.fixture
def towed(driver: PolicyFile) -> PolicyFile:
    return dataclasses.replace(driver, task=Towed())


def test_it_runs_and_each_trial_replays_to_the_bit(towed: PolicyFile) -> None:
    protocol = GauntletProtocol()
    result = run_gauntlet(towed, protocol, GauntletRun(range(3), seed=2, rows=2, threads=1))
    forces = [trial.settings["force_N"] for trial in result.trials]
    assert len(set(forces)) == 3 and all(0.0 <= force <= 50.0 for force in forces)
    assert [t.why for t in result.trials] == [f"towed with {force:.1f} N" for force in forces]
    assert all(trial.seconds == pytest.approx(1.0) for trial in result.trials if trial.success)
    (alone,) = run_gauntlet(towed, protocol, GauntletRun([2], seed=2, threads=1)).trials
    assert alone == result.trials[2]
    assert "survival" in figures_of(towed, protocol)


def test_a_suite_file_changes_its_numbers_within_their_bounds(
    tmp_path: Path, towed: PolicyFile
) -> None:
    path = tmp_path / "suite.toml"
    path.write_text('suite = "gauntlet"\n["tows of a test"]\nforce = [7, 7]\n')
    (trial,) = run_gauntlet(towed, find_protocol(str(path)), GauntletRun([0], threads=1)).trials
    assert trial.why == "towed with 7.0 N"
    path.write_text('suite = "gauntlet"\n["tows of a test"]\nforce = [-7, 7]\n')
    with pytest.raises(UserError, match="tows of a test.force is -7 N; it must not be negative"):
        find_protocol(str(path))


def test_a_task_without_one_says_what_there_is(driver: PolicyFile) -> None:
    bare = dataclasses.replace(driver, task=WithoutOne())
    with pytest.raises(UserError, match=r"no gauntlet for VehicleTrack; .*driving.*walking.*own"):
        run_gauntlet(bare, GauntletProtocol(), GauntletRun([0]))


def test_a_gauntlet_that_nothing_brings_is_named(driver: PolicyFile) -> None:
    class Lost(VehicleTrack):
        gauntlet: ClassVar[str] = "drivin"

    lost = dataclasses.replace(driver, task=Lost())
    with pytest.raises(UserError, match="unknown gauntlet 'drivin'; did you mean 'driving'"):
        run_gauntlet(lost, GauntletProtocol(), GauntletRun([0]))
