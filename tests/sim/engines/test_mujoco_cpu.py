"""The engine reports a simulation that diverges."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from sim.engines.mujoco_cpu import MujocoEngine
from sim.robots.humanoid import humanoid


def test_a_diverged_simulation_is_reported_until_it_is_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = mujoco.MjModel.from_xml_path(str(humanoid(0.3).model))
    engine = MujocoEngine(model, 3, substeps=4, threads=2)
    control = np.zeros((3, 4, model.nu))
    engine.qvel[1] = 1e12
    engine.step(control)
    assert engine.diverged.tolist() == [False, True, False]
    assert np.isfinite(engine.qpos).all()  # so the values alone do not show it
    engine.step(control)
    assert not engine.diverged.any()
    engine.qvel[2] = np.nan
    engine.step(control)
    assert engine.diverged.tolist() == [False, False, True]
    engine.reset(np.array([2]), model.qpos0[None], np.zeros((1, model.nv)), constants_changed=False)
    assert not engine.diverged.any()
    assert not list(tmp_path.iterdir())  # no MUJOCO_LOG.TXT
