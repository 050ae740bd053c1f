from pathlib import Path

import mujoco
import numpy as np
import pytest

from sim.reference.runge_kutta import RungeKuttaEngine

# Every joint type, an actuator, and contacts with the floor and between bodies.
MODEL = """
<mujoco>
  <option integrator="RK4" timestep="0.004"/>
  <worldbody>
    <geom type="plane" size="5 5 .1"/>
    <body name="ball" pos="0 0 0.3">
      <freejoint/>
      <geom size="0.1"/>
      <body name="arm" pos="0.25 0 0">
        <joint type="ball"/>
        <geom type="capsule" fromto="0 0 0 0.2 0 0" size="0.03"/>
        <body name="slider" pos="0.3 0 0">
          <joint type="hinge" axis="0 1 0"/>
          <joint name="slide" type="slide" axis="1 0 0" range="-0.1 0.1" limited="true"/>
          <geom type="box" size="0.05 0.04 0.03"/>
        </body>
      </body>
    </body>
    <body name="stone" pos="0.1 0 0.6">
      <freejoint/>
      <geom size="0.05"/>
    </body>
  </worldbody>
  <actuator><motor joint="slide"/></actuator>
</mujoco>
"""
FIELDS = ("cinert", "cvel", "cfrc_ext", "qfrc_actuator", "xipos")


@pytest.mark.parametrize("substeps", [1, 3])
def test_bit_equal_to_one_simulation_at_a_time(tmp_path: Path, substeps: int) -> None:
    path = tmp_path / "model.xml"
    path.write_text(MODEL)
    model = mujoco.MjModel.from_xml_path(str(path))
    rng = np.random.default_rng(0)
    alone = [mujoco.MjData(model) for _ in range(3)]
    engine = RungeKuttaEngine(path, 3, substeps=substeps, threads=2)
    bound = {name: engine.bind(name) for name in FIELDS}
    for data in alone:
        data.qvel[:] = rng.uniform(-1, 1, model.nv)
    engine.reset(np.arange(3), np.stack([d.qpos for d in alone]), np.stack([d.qvel for d in alone]))
    touched = 0
    for _ in range(600 // substeps):
        control = rng.uniform(-1, 1, (3, 1))
        engine.step(control)
        for row, data in enumerate(alone):
            data.ctrl[:] = control[row]
            mujoco.mj_step(model, data, nstep=substeps)
            mujoco.mj_rnePostConstraint(model, data)
            touched += data.ncon
            np.testing.assert_array_equal(engine.qpos[row], data.qpos)
            np.testing.assert_array_equal(engine.qvel[row], data.qvel)
            for name in FIELDS:
                np.testing.assert_array_equal(bound[name][row], getattr(data, name), name)
    assert touched > 100


def test_a_model_with_another_integrator_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_text(MODEL.replace("RK4", "Euler"))
    with pytest.raises(ValueError, match="RK4"):
        RungeKuttaEngine(path, 1, substeps=1)
