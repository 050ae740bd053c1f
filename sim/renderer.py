"""Renders pictures of one simulation of a batch, without a screen."""

import atexit
import importlib
import os
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakSet

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.rotations import yaw
from edge_runtime.signals import Float

Picture = npt.NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class FollowCamera:
    """Follows the robot smoothly, without its sway and steps."""

    azimuth: float  # rad, direction of view, from the world's x axis or the robot's heading
    elevation: float  # rad
    distance: float  # in extents of the scene
    turns: bool = False  # with the robot's heading
    time_constant: float = 0.3  # s


SUN_DISTANCE = 1.2  # extents from the robot; from farther away, shadows get speckled
FLOOR_STRIDE = 20.0  # m; a multiple of every floor's tile, so that its movement is invisible
FOLLOW_CAMERAS = {
    "follow": FollowCamera(azimuth=2.4, elevation=-0.2, distance=1.4),
    "beside": FollowCamera(azimuth=1.57, elevation=-0.15, distance=1.6, turns=True),
    "behind": FollowCamera(azimuth=0.0, elevation=-0.35, distance=1.8, turns=True),
    "ahead": FollowCamera(azimuth=2.75, elevation=-0.2, distance=1.7, turns=True),
    "above": FollowCamera(azimuth=0.0, elevation=-1.1, distance=5.0),
}


class Drawable(Protocol):
    """Describes the scenes of a batch of simulations."""

    engine: Any
    metadata: dict[str, Any]

    @property
    def camera(self) -> str:
        """Returns the camera with which it is filmed best."""
        ...

    def scene_key(self, sim: int, /) -> int:
        """Returns a number that changes when the scene of that simulation does."""
        ...

    def scene(self, sim: int, /) -> mujoco.MjSpec:
        """Returns the robot in that simulation's world, with everything visible in it."""
        ...


class Renderer:
    """Draws one simulation of a batch.

    Args:
        env: the batch.
        width: pixels.
        height: pixels.
        camera: one of `FOLLOW_CAMERAS`, or a camera of the robot's model; by default the task's.
        contacts: whether to draw contact points and forces.

    Raises:
        UserError: this machine cannot render, or there is no such camera.
    """

    def __init__(
        self,
        env: Drawable,
        width: int = 1280,
        height: int = 720,
        camera: str = "",
        *,
        contacts: bool = False,
    ) -> None:
        self._env = env
        self._camera_name = camera or env.camera
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._gl = _gl_context(width, height)
        self._context: mujoco.MjrContext | None = None
        _OPEN.add(self)
        self._options = mujoco.MjvOption()
        self._options.flags[mujoco.mjtVisFlag.mjVIS_CONTACTPOINT] = contacts
        self._options.flags[mujoco.mjtVisFlag.mjVIS_CONTACTFORCE] = contacts
        self._camera = mujoco.MjvCamera()
        self._shown: tuple[int, int] | None = None  # simulation, and its scene
        self._followed: Float | None = None  # x, y, cos and sin of the heading
        self._load(0)

    def frame(self, sim: int = 0, *, skipped: int = 0) -> Picture:
        """Returns a picture of the present state of one simulation, (H, W, 3).

        Args:
            sim: which one.
            skipped: control periods since the last frame that were not drawn, for the inertia of a
                camera that follows.
        """
        shown = (sim, self._env.scene_key(sim))
        if shown != self._shown:
            self._load(sim)
        engine, data = self._env.engine, self._data
        data.qpos[:], data.qvel[:] = engine.qpos[sim], engine.qvel[sim]
        mujoco.mj_forward(self._model, data)
        self._move_camera(1 + skipped)
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._options,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        self._move_surroundings()
        self._gl.make_current()
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        picture = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return picture[::-1]

    def close(self) -> None:
        """Frees the resources of the graphics library; what has been freed stays so."""
        if self not in _OPEN:
            return
        _OPEN.discard(self)
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
        self._gl.free()

    def _load(self, sim: int) -> None:
        """Builds the scene of a simulation."""
        self._shown = (sim, self._env.scene_key(sim))
        spec = self._env.scene(sim)
        spec.visual.global_.offwidth = self._rectangle.width
        spec.visual.global_.offheight = self._rectangle.height
        self._model = model = spec.compile()
        self._data = mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=5000)
        self._gl.make_current()
        try:
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_150)
        except mujoco.FatalError as error:
            raise _no_graphics(error) from None
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._followed = None
        if self._camera_name in FOLLOW_CAMERAS:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
            return
        own = [model.camera(i).name for i in range(model.ncam)]
        if self._camera_name not in own:
            known = ", ".join([*FOLLOW_CAMERAS, *own])
            raise UserError(f"no camera '{self._camera_name}'; there are {known}")
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = own.index(self._camera_name)

    def _move_camera(self, periods: int) -> None:
        if self._camera.type != mujoco.mjtCamera.mjCAMERA_FREE:
            return
        follow, model = FOLLOW_CAMERAS[self._camera_name], self._model
        heading = float(yaw(self._data.qpos[None, 3:7])[0])
        now = np.array([*self._data.qpos[:2], np.cos(heading), np.sin(heading)])
        followed = now if self._followed is None else self._followed
        share = 1.0 - np.exp(-periods / (self._env.metadata["render_fps"] * follow.time_constant))
        followed = followed + share * (now - followed)
        self._followed = followed
        x, y, cosine, sine = followed
        turned = np.arctan2(sine, cosine) if follow.turns else 0.0
        self._camera.lookat[:] = (x, y, model.stat.center[2])
        self._camera.azimuth = np.degrees(follow.azimuth + turned)
        self._camera.elevation = np.degrees(follow.elevation)
        self._camera.distance = follow.distance * model.stat.extent

    def _move_surroundings(self) -> None:
        """Moves the sun over the robot, and endless floors below it.

        Shadows are drawn around the sun only, and floors as far as one sees from their middle.
        """
        robot = np.array([*self._data.qpos[:2], 0.0])
        for light in self._scene.lights[: self._scene.nlight]:
            if light.type == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL and light.castshadow:
                direction = np.asarray(light.dir)
                light.pos[:] = robot - SUN_DISTANCE * self._model.stat.extent * direction
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.type == mujoco.mjtGeom.mjGEOM_PLANE and not geom.size[:2].any():
                geom.pos[:2] = FLOOR_STRIDE * np.round(robot[:2] / FLOOR_STRIDE)


_OPEN: WeakSet[Renderer] = WeakSet()


def _close_all() -> None:
    """Frees what programs have left open, for at their end the graphics library goes first."""
    for renderer in list(_OPEN):
        renderer.close()


def _gl_context(width: int, height: int) -> Any:
    """Returns a graphics context without a screen: EGL, or what MUJOCO_GL says."""
    try:
        made = importlib.import_module(f"mujoco.{_graphics()}").GLContext(width, height)
        atexit.unregister(_close_all)
        atexit.register(_close_all)  # after the graphics library's own, and so called before it
        return made
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise _no_graphics(error) from None


def _graphics() -> str:
    return os.environ.get("MUJOCO_GL") or "egl"


def _no_graphics(error: Exception) -> UserError:
    if _graphics() != "egl":
        return UserError(
            f"cannot render on this machine: MUJOCO_GL={_graphics()} gives no graphics ({error}); "
            "unset it to render with EGL"
        )
    return UserError(
        f"cannot render on this machine: EGL gives no graphics ({error}); install it with "
        "'apt install libegl1 libgl1 libgl1-mesa-dri libopengl0'"
    )
