"""Writes meshes as binary STL, which every URDF reader supports."""

import re
import struct

import mujoco
import numpy as np
import numpy.typing as npt

Triangles = npt.NDArray[np.float32]  # (n, 3 corners, 3), m

SPHERE = "sphere"  # the unit sphere that is scaled to ellipsoids
_ROUNDS = 3  # subdivisions of an octahedron: 512 triangles, at most 1 % off the sphere
_HEADER = b"binary STL".ljust(80)


def mesh_name(model: mujoco.MjModel, mesh: int) -> str:
    """Returns the file name of a mesh without its suffix, different for each mesh of the model."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", model.mesh(mesh).name) or "mesh"
    return f"{name}_{mesh}"


def triangles(model: mujoco.MjModel, name: str) -> Triangles:
    """Returns the faces of a mesh by its `mesh_name`, as the compiled model has them,
    (n, 3, 3) m."""
    if name == SPHERE:
        return _unit_sphere()
    mesh = next(m for m in range(model.nmesh) if mesh_name(model, m) == name)
    first, count = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
    vertices = model.mesh_vert[int(model.mesh_vertadr[mesh]) :]
    corners: Triangles = vertices[model.mesh_face[first : first + count]]
    return corners


def stl(corners: Triangles) -> bytes:
    """Returns a binary STL file of triangles (n, 3, 3)."""
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(across, axis=1, keepdims=True)
    normal = np.divide(across, length, out=np.zeros_like(across), where=length > 0)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    faces = np.zeros(len(corners), record)
    faces["normal"], faces["corners"] = normal, corners
    return _HEADER + struct.pack("<I", len(corners)) + faces.tobytes()


def _unit_sphere() -> Triangles:
    """Subdivides an octahedron and projects it to the unit sphere."""
    signs = [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)]
    faces = np.array([np.diag(s) if np.prod(s) > 0 else np.diag(s)[::-1] for s in signs], float)
    for _ in range(_ROUNDS):
        a, b, c = faces[:, 0], faces[:, 1], faces[:, 2]
        ab, bc, ca = a + b, b + c, c + a
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = np.concatenate([np.stack(part, axis=1) for part in parts])
        faces /= np.linalg.norm(faces, axis=2, keepdims=True)
    return faces.astype(np.float32)
