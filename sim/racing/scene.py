"""Draws a track: asphalt, edge lines, kerbs, barriers, grass, trees, sun and sky.

This serves pictures; the physics has nothing but flat ground.
"""

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.signals import Bool, Float
from sim.racing.tracks import Tracks

_TRIANGLE = mujoco.mjtGeom.mjGEOM_MESH
_THICKNESS = 0.15  # m, of the barriers
_LINE = 0.12  # m, width of the edge lines
_KERB = 0.45  # m, width of the kerbs
_BEND = 1 / 25.0  # 1/m, curvature above which there are kerbs and coloured barriers
_TREES = 60


def add_track(
    spec: mujoco.MjSpec, tracks: Tracks, k: int, wall_height: float, start: int = 0
) -> None:
    """Adds track `k` to a scene that has the vehicle and a plane called `floor`.

    Args:
        spec: the scene.
        tracks: the set of tracks.
        k: which one.
        wall_height: m.
        start: the point of the track with the line at which laps begin.
    """
    _set_light(spec)
    _add_materials(spec)
    floor = spec.geom("floor")
    floor.material, floor.pos = "grass", [0.0, 0.0, -0.02]
    line = _Lines(tracks, k)
    everywhere = np.ones(tracks.points, bool)
    _add_mesh(spec, "road", "asphalt", [_strip(line(-1, 0.0), line(1, 0.0), 0.0, everywhere)])
    edges = [
        _strip(line(-1, -_KERB), line(-1, -_KERB - _LINE), 0.003, everywhere),
        _strip(line(1, -_KERB - _LINE), line(1, -_KERB), 0.003, everywhere),
    ]
    _add_mesh(spec, "edge_lines", "white", edges)
    first = np.arange(tracks.points)
    stripe = (first * tracks.length[k] / tracks.points / 1.0).astype(int) % 2 == 0
    bent = _widened(np.abs(tracks.curvature[k]) > _BEND, 6)
    for name, part in (("white", stripe), ("red", ~stripe)):
        kerbs = [
            _strip(line(-1, 0.0), line(-1, -_KERB), 0.006, bent & part),
            _strip(line(1, -_KERB), line(1, 0.0), 0.006, bent & part),
        ]
        _add_mesh(spec, f"kerbs_{name}", name, kerbs)
    _add_barriers(spec, tracks, k, wall_height, bent)
    _add_start(spec, line, start)
    _add_trees(spec, tracks, k)


class _Lines:
    """Draws lines beside the walls of one track, as functions of the side and the distance
    outward."""

    def __init__(self, tracks: Tracks, k: int) -> None:
        self._center, self._half = tracks.center[k], tracks.width[k] / 2
        heading = tracks.heading[k]
        self._left = np.stack([-np.sin(heading), np.cos(heading)], axis=1)

    def __call__(self, side: int, outward: float) -> Float:
        """Returns the line, (P, 2); `side` is 1 for the left wall, -1 for the right."""
        return self._center + side * (self._half + outward) * self._left


def _widened(mask: Bool, by: int) -> Bool:
    """Extends True by `by` points before and after, around the lap."""
    return np.any([np.roll(mask, step) for step in range(-by, by + 1)], axis=0)


def _quads(a: Float, b: Float, c: Float, d: Float) -> tuple[Float, npt.NDArray[np.int64]]:
    """Returns vertices and triangles of quads with corners a, b, c, d (Q, 3) counterclockwise."""
    vertices = np.stack([a, b, c, d], axis=1).reshape(-1, 3)
    first = 4 * np.arange(len(a))[:, None]
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    return vertices, np.concatenate([first + half for half in halves])


def _at(line: Float, height: float) -> Float:
    return np.column_stack([line, np.full(len(line), height)])


def _strip(
    right: Float, left: Float, height: float, where: Bool
) -> tuple[Float, npt.NDArray[np.int64]]:
    """Adds a flat band between two lines, facing up."""
    r, s = _at(right, height), _at(left, height)
    r1, s1 = np.roll(r, -1, axis=0), np.roll(s, -1, axis=0)
    return _quads(r[where], r1[where], s1[where], s[where])


def _fence(
    line: Float, height: float, where: Bool, to_the_left: bool = False
) -> tuple[Float, npt.NDArray[np.int64]]:
    """Adds an upright band along a line, facing right of it, or left."""
    low, high = _at(line, 0.0), _at(line, height)
    low1, high1 = np.roll(low, -1, axis=0), np.roll(high, -1, axis=0)
    if to_the_left:
        return _quads(low1[where], low[where], high[where], high1[where])
    return _quads(low[where], low1[where], high1[where], high[where])


def _add_mesh(
    spec: mujoco.MjSpec,
    name: str,
    material: str,
    parts: list[tuple[Float, npt.NDArray[np.int64]]],
) -> None:
    counts = np.cumsum([0] + [len(vertices) for vertices, _ in parts])
    vertices = np.concatenate([vertices for vertices, _ in parts])
    if not len(vertices):
        return
    faces = np.concatenate([faces + count for (_, faces), count in zip(parts, counts)])
    mesh = spec.add_mesh(
        name=name,
        uservert=vertices.ravel().tolist(),
        userface=faces.ravel().tolist(),
        usertexcoord=(vertices[:, :2] / 4.0).ravel().tolist(),
    )
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    geom = spec.worldbody.add_geom(name=name, type=_TRIANGLE, meshname=name, material=material)
    geom.contype = geom.conaffinity = 0
    geom.group = 1


def _add_barriers(spec: mujoco.MjSpec, tracks: Tracks, k: int, height: float, bent: Bool) -> None:
    line = _Lines(tracks, k)
    panel = (np.arange(tracks.points) * tracks.length[k] / tracks.points / 2.0).astype(int) % 2 == 0
    looks = {
        "concrete": ~bent,
        "barrier_white": bent & panel,
        "barrier_red": bent & ~panel,
    }
    for material, where in looks.items():
        parts = []
        for side in (1, -1):
            inner, outer = line(side, 0.0), line(side, _THICKNESS)
            right, left = (inner, outer) if side == 1 else (outer, inner)
            parts += [
                _fence(right, height, where),
                _fence(left, height, where, True),
                _strip(right, left, height, where),
            ]
        _add_mesh(spec, material, material, parts)
    everywhere = np.ones(tracks.points, bool)
    band = []
    for side in (1, -1):
        near, far = line(side, -0.01), line(side, _THICKNESS + 0.01)
        right, left = (near, far) if side == 1 else (far, near)
        band.append(_strip(right, left, height + 0.004, everywhere))
    _add_mesh(spec, "rail", "rail", band)


def _add_start(spec: mujoco.MjSpec, line: _Lines, point: int) -> None:
    """Adds a chequered line across the road."""
    edge = line(-1, 0.0)
    right, left = edge[point], line(1, 0.0)[point]
    along = edge[(point + 1) % len(edge)] - right
    along *= 0.4 / np.linalg.norm(along)
    across = left - right
    count = max(int(np.linalg.norm(across) / 0.4), 1)
    tiles: dict[str, list[tuple[Float, npt.NDArray[np.int64]]]] = {"white": [], "black": []}
    for row in range(3):
        for i in range(count):
            a = right + across * i / count + row * along
            b, d = a + along, a + across / count
            corners = [_at(p[None], 0.008) for p in (a, b, d + along, d)]
            tiles["white" if (i + row) % 2 else "black"].append(_quads(*corners))
    for name, parts in tiles.items():
        _add_mesh(spec, f"start_{name}", name, parts)


def _add_trees(spec: mujoco.MjSpec, tracks: Tracks, k: int) -> None:
    """Adds trees on the grass, always the same for a track."""
    rng = np.random.default_rng(k)
    center = tracks.center[k]
    low, high = center.min(axis=0) - 22.0, center.max(axis=0) + 22.0
    places = rng.uniform(low, high, (6 * _TREES, 2))
    apart = np.linalg.norm(places[:, None] - center[None, ::4], axis=-1).min(axis=1)
    for x, y in places[apart > tracks.width[k] / 2 + 3.0][:_TREES]:
        size, shade = rng.uniform(0.8, 1.6), rng.uniform(0.8, 1.2)
        trunk = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, material="trunk")
        trunk.pos, trunk.size = [x, y, 0.5 * size], [0.1 * size, 0.5 * size, 0.0]
        crowns = [(1.5, 1.0), (2.3, 0.75), (2.95, 0.48)]
        for height, radius in crowns:
            crown = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_ELLIPSOID)
            crown.pos = [x, y, height * size]
            crown.size = [radius * size, radius * size, 0.62 * size]
            crown.rgba = [0.13 * shade, 0.33 * shade, 0.14 * shade, 1.0]
            crown.contype = crown.conaffinity = 0
        trunk.contype = trunk.conaffinity = 0


def _set_light(spec: mujoco.MjSpec) -> None:
    spec.stat.center, spec.stat.extent = [0.0, 0.0, 0.35], 2.6
    visual = spec.visual
    visual.headlight.diffuse = [0.3, 0.3, 0.33]
    visual.headlight.ambient = [0.34, 0.34, 0.36]
    visual.headlight.specular = [0.1, 0.1, 0.1]
    visual.rgba.haze = [0.78, 0.86, 0.93, 1.0]
    visual.quality.shadowsize, visual.quality.offsamples = 4096, 4
    visual.map.znear, visual.map.zfar = 0.05, 120.0
    visual.map.shadowclip, visual.map.haze = 3.0, 0.35
    sun = spec.worldbody.add_light(name="sun", castshadow=True, pos=[0.0, 0.0, 8.0])
    sun.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    sun.dir = [-0.45, 0.35, -1.0]
    sun.diffuse, sun.specular = [0.8, 0.77, 0.7], [0.35, 0.35, 0.3]


def _add_materials(spec: mujoco.MjSpec) -> None:
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.33, 0.56, 0.86],
        rgb2=[0.88, 0.93, 0.97],
        width=256,
        height=1536,
    )
    _add_ground(spec, "grass", [0.3, 0.45, 0.2], [0.25, 0.4, 0.17], repeat=0.25)
    _add_ground(spec, "asphalt", [0.2, 0.205, 0.215], [0.25, 0.255, 0.265], repeat=0.0)
    colours = {
        "white": (0.92, 0.92, 0.9),
        "black": (0.05, 0.05, 0.05),
        "red": (0.8, 0.1, 0.08),
        "concrete": (0.62, 0.64, 0.66),
        "barrier_white": (0.9, 0.9, 0.9),
        "barrier_red": (0.78, 0.1, 0.09),
        "rail": (0.15, 0.3, 0.6),
        "trunk": (0.3, 0.2, 0.12),
    }
    for name, colour in colours.items():
        spec.add_material(name=name, rgba=[*colour, 1.0], specular=0.1, shininess=0.1)


def _add_ground(
    spec: mujoco.MjSpec, name: str, colour: list[float], mark: list[float], repeat: float
) -> None:
    """Adds a speckled material; `repeat` per metre for planes, 0 where the mesh has its own
    coordinates."""
    spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        mark=mujoco.mjtMark.mjMARK_RANDOM,
        random=0.3,
        rgb1=colour,
        rgb2=colour,
        markrgb=mark,
        width=512,
        height=512,
    )
    material = spec.add_material(name=name, specular=0.05, shininess=0.05)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    if repeat:
        material.texuniform, material.texrepeat = True, [repeat, repeat]
