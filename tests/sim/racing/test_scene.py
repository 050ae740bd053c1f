"""A track's scene compiles with the vehicle's looks, and changes nothing of its physics."""

import mujoco
import numpy as np

from sim.envs.vector_env import TaskVectorEnv
from sim.racing.scene import add_track
from sim.racing.tracks import make_tracks
from sim.robots.vehicle import vehicle
from sim.tasks import find_task

TRACKS = make_tracks(2, 0)


def scene(k: int) -> mujoco.MjModel:
    spec = mujoco.MjSpec.from_file(str(vehicle().model))
    spec.compiler.discardvisual = False
    add_track(spec, TRACKS, k, 0.6)
    return spec.compile()


def test_what_is_drawn_is_not_touched() -> None:
    bare, drawn = mujoco.MjModel.from_xml_path(str(vehicle().model)), scene(0)
    assert drawn.ngeom > bare.ngeom + 20
    assert (drawn.nq, drawn.nv, drawn.nu) == (bare.nq, bare.nv, bare.nu)
    np.testing.assert_allclose(drawn.body_mass, bare.body_mass)
    touching = np.flatnonzero(drawn.geom_contype | drawn.geom_conaffinity)
    assert {drawn.geom(i).name for i in touching} == {bare.geom(i).name for i in range(bare.ngeom)}


def test_barriers_stand_on_the_walls_of_this_track() -> None:
    for k in range(2):
        model = scene(k)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        middle = TRACKS.center[k, 100]
        heading = TRACKS.heading[k, 100]
        geom = np.zeros(1, np.int32)
        start = np.array([*middle, 0.4])
        to_the_left = np.array([-np.sin(heading), np.cos(heading), 0.0])
        for direction in (to_the_left, -to_the_left):
            hit = mujoco.mj_ray(model, data, start, direction, None, 1, -1, geom)
            assert abs(hit - TRACKS.width[k] / 2) < 0.05


def test_the_line_is_where_the_laps_of_a_car_begin() -> None:
    env = TaskVectorEnv(find_task("VehicleTrack").nominal(), 1, seed=3, threads=1)
    env.reset(seed=3)
    model = env.scene(0).compile()
    line = model.geom("start_white").pos[:2]
    assert np.linalg.norm(line - env.engine.qpos[0, :2]) < env.task.tracks.width.max()
