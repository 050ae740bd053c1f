import mujoco
import numpy as np
import pytest

pytest.importorskip("pybullet")

from sim.engines.bullet.bullet_engine import BulletEngine

FALLING = """
<mujoco>
  <option timestep="{period}"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <body name="box" pos="0 0 0.12">
      <freejoint/>
      <geom type="box" size="0.1 0.1 0.1" mass="2"/>
    </body>
  </worldbody>
</mujoco>
"""


def fallen(period: float, inner: int | None) -> np.ndarray:
    model = mujoco.MjModel.from_xml_string(FALLING.format(period=period))
    engine = BulletEngine(model, 1, substeps=10, processes=1, inner=inner)
    try:
        engine.step(np.zeros((1, 10, 0)))
        return np.array(engine.qpos)
    finally:
        engine.close()


@pytest.mark.parametrize(("period", "steps"), [(0.002, 1), (0.0025, 1), (0.005, 2), (0.006, 3)])
def test_bullets_own_steps_are_at_most_2_5_ms(period: float, steps: int) -> None:
    default = fallen(period, None)
    np.testing.assert_array_equal(default, fallen(period, steps))
    assert not np.array_equal(default, fallen(period, steps + 1))
