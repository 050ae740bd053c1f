"""The ground that is simulated is where the task believes it to be."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from edge_runtime.config.fields import check
from edge_runtime.errors import UserError
from sim.tasks import find_task
from sim.terrain.ground import ground_geoms, on_terrain
from sim.terrain.patches import Patch, Rough, Slopes, Steps
from sim.terrain.terrain import Kind, Terrain, TerrainConfig

SCENE = find_task("HumanoidVelocity").robot.model
KINDS: tuple[Kind, ...] = ("slope", "steps", "rough", "flat")


def rays(model: mujoco.MjModel, places: np.ndarray) -> np.ndarray:
    """Height of what a ray from above meets first at places (n, 2)."""
    data = mujoco.MjData(model)
    data.qpos[2] = 50.0  # the robot is out of the way
    mujoco.mj_kinematics(model, data)
    down, geom = np.array([0.0, 0.0, -1.0]), np.zeros(1, np.int32)
    heights = [
        5.0 - mujoco.mj_ray(model, data, np.array([x, y, 5.0]), down, None, 1, -1, geom)
        for x, y in places
    ]
    return np.array(heights)


@pytest.fixture(scope="module")
def built() -> tuple[Terrain, mujoco.MjModel]:
    config = TerrainConfig(KINDS, levels=2)
    return Terrain(config), on_terrain(mujoco.MjSpec.from_file(str(SCENE)), config)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_heights_are_those_of_the_model(
    kind: int, level: int, built: tuple[Terrain, mujoco.MjModel]
) -> None:
    terrain, model = built
    rng = np.random.default_rng(kind)
    reach = 14.0 if KINDS[kind] == "rough" else 27.0
    places = terrain.origin(np.array(kind), np.array(level)) + rng.uniform(-reach, reach, (300, 2))
    apart = np.abs(terrain.height(places) - rays(model, places))
    assert (apart > 1e-9).mean() < (0.05 if KINDS[kind] == "rough" else 1e-9)  # edges of stones
    assert apart.max() < 0.021


@pytest.mark.parametrize(
    ("patch", "highest"),
    [
        (Slopes(0.0873), 3 * np.tan(0.0873)),
        (Steps(0.02), 0.1),
        (Rough(0.02, np.random.default_rng(0)), 0.02),
    ],
)
def test_it_is_as_hard_as_configured(patch: Patch, highest: float) -> None:
    x = np.linspace(-10.0, 10.0, 200_001)
    height = patch.height(x, np.zeros_like(x))
    everywhere = patch.height(*np.random.default_rng(0).uniform(-8.0, 8.0, (2, 100_000)))
    assert everywhere.min() >= 0.0 and everywhere.max() == pytest.approx(highest, abs=2e-3)
    change = np.abs(np.diff(height))
    if isinstance(patch, Slopes):
        assert (change / np.diff(x)).max() == pytest.approx(np.tan(patch.angle), rel=1e-3)
    else:
        assert change.max() <= 0.02 + 1e-12


@pytest.mark.parametrize("patch", [Slopes(0.0873), Steps(0.02)])
def test_it_ends_level_with_the_plane(patch: Patch) -> None:
    edge = np.array([-24.0, 24.0])
    assert patch.height(edge * (1 - 1e-9), np.zeros(2)).max() < 1e-6
    assert not patch.height(edge * 1.01, np.zeros(2)).any()


def test_it_gets_harder_by_level() -> None:
    terrain = Terrain(TerrainConfig(("slope", "steps", "rough"), levels=4))
    steps = np.random.default_rng(0).uniform(-10, 10, (2000, 2))
    for kind in range(3):
        origins = [terrain.origin(np.array(kind), np.array(level)) for level in range(4)]
        highest = [terrain.height(origin + steps).max() for origin in origins]
        assert highest == sorted(highest) and highest[0] < 0.5 * highest[-1]


def test_stones_are_laid_by_the_seed() -> None:
    config = TerrainConfig(("rough",), levels=1)
    same, other = Terrain(config), Terrain(replace(config, seed=1))
    places = np.random.default_rng(0).uniform(-10, 10, (500, 2))
    heights = Terrain(config).height(places)
    np.testing.assert_array_equal(same.height(places), heights)
    assert (other.height(places) != heights).mean() > 0.2
    assert (Terrain(config.unseen(0)).height(places) != heights).mean() > 0.2


def test_flat_ground_is_the_plane_alone() -> None:
    assert ground_geoms(TerrainConfig()) == ("floor",)
    model = on_terrain(mujoco.MjSpec.from_file(str(SCENE)), TerrainConfig())
    assert model.ngeom == mujoco.MjModel.from_xml_path(str(SCENE)).ngeom


def test_all_of_it_has_the_floors_contact_and_friction(
    built: tuple[Terrain, mujoco.MjModel],
) -> None:
    terrain, model = built
    names = terrain.names()
    assert len(names) == model.ngeom - mujoco.MjModel.from_xml_path(str(SCENE)).ngeom
    floor = model.geom("floor")
    for field in ("contype", "conaffinity", "condim", "priority", "friction", "solref"):
        for name in (names[0], names[-1]):
            np.testing.assert_array_equal(getattr(model.geom(name), field), getattr(floor, field))


def test_a_slope_in_degrees_is_refused() -> None:
    with pytest.raises(UserError, match=r"^--task.terrain.slope is 5 rad; .* to 0.8 rad$"):
        check(TerrainConfig(("slope",), slope=5.0), "--task.terrain.")
