"""Makes films small enough for a page, and films of episodes from where the robots were."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.signals import Array
from policies.evaluation.suite_result import TrialResult
from policies.film.caption import Caption
from policies.film.film_file import run_ffmpeg, write_film
from sim.envs.vector_env import TaskVectorEnv
from sim.renderer import Picture, Renderer

WIDTH, HEIGHT = 480, 360
LETTERS = 1.1  # times a film's usual size, for it is shown small
FRAMES_PER_SECOND = 15
SECONDS = 10.0  # of a trial's end that are shown
STANDS = 1.0  # s that the last picture stays, to read what went wrong
ROWS = 256  # robots whose trajectories are kept, 30 MB of them


@dataclass(frozen=True)
class Film:
    """Holds the film of a trial."""

    engine: str
    trial: int
    mp4: bytes
    poster: bytes = b""  # JPEG, shown until it is played


def small_film(path: Path, engine: str, trial: int) -> Film:
    """Returns the end of a film, scaled down to some 100 to 200 KB.

    Args:
        path: MP4.
        engine: what moved the robot.
        trial: which trial it shows.

    Raises:
        UserError: it is no film, or there is no ffmpeg.
    """
    with tempfile.TemporaryDirectory(prefix="sim2edge-") as folder:
        mp4, poster = Path(folder) / "film.mp4", Path(folder) / "poster.jpg"
        look = f"fps={FRAMES_PER_SECOND},scale={WIDTH}:-2"
        codec = ("-c:v", "libx264", "-preset", "slow", "-crf", "27", "-pix_fmt", "yuv420p")
        end = ("-sseof", f"-{SECONDS + STANDS:g}", "-i", str(path))
        try:
            run_ffmpeg(*end, "-an", "-vf", look, *codec, "-movflags", "+faststart", str(mp4))
            last = ("-sseof", f"-{STANDS / 2:g}", "-i", str(mp4))
            run_ffmpeg(*last, "-frames:v", "1", "-q:v", "6", str(poster))
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        return Film(engine, trial, mp4.read_bytes(), poster.read_bytes())


class TrajectoryRecorder:
    """Passes on an actor's actions, and records where the robots of the first `ROWS` rows were.

    Args:
        env: the simulations.
        act: observations (N, n) -> actions (N, A), which it passes on.
    """

    def __init__(self, env: TaskVectorEnv, act: Callable[[Array], Array]) -> None:
        self._env, self._act = env, act
        self._start: dict[str, object] | None = None
        self._qpos: list[npt.NDArray[np.float32]] = []

    def __call__(self, observations: Array) -> Array:
        if self._start is None:
            self._start = self._env.state()
        self._qpos.append(self._env.engine.qpos[:ROWS].astype(np.float32))
        return self._act(observations)

    def film(self, trials: Sequence[TrialResult]) -> list[Film]:
        """Films the ends of these trials, as far as they were recorded.

        The simulations are put back to their start, for they have the scenes of then.

        Raises:
            UserError: this machine cannot draw.
        """
        if self._start is None:
            return []
        self._env.restore(self._start)
        return [self._film(trial) for trial in trials if trial.trial < ROWS]

    def _film(self, trial: TrialResult) -> Film:
        with tempfile.TemporaryDirectory(prefix="sim2edge-") as folder:
            path = Path(folder) / "film.mp4"
            write_film(path, self._frames(trial), FRAMES_PER_SECOND)
            return small_film(path, trial.engine, trial.trial)

    def _frames(self, trial: TrialResult) -> Iterator[Picture]:
        period, row = self._env.config.control_period, trial.trial
        steps = min(round(trial.seconds / period), len(self._qpos))
        stride = max(1, round(1 / (FRAMES_PER_SECOND * period)))
        first = max(0, steps - round(SECONDS / period))
        shown = [*range(first, steps - 1, stride), steps - 1]
        replay = _Replay(self._env, row, self._qpos[first][row])
        caption = _EndCaption((), period, WIDTH, HEIGHT, events=2, letters=LETTERS)
        renderer = Renderer(replay, WIDTH, HEIGHT - caption.height)
        try:
            picture = renderer.frame()
            for step in shown:
                replay.engine.qpos[0] = self._qpos[step][row]
                picture = renderer.frame(skipped=stride - 1)
                yield caption.at(step * period, picture)
            last = caption.at(trial.seconds, picture, trial.why)
            yield from [last] * round(STANDS * FRAMES_PER_SECOND)
        finally:
            renderer.close()


class _Replay:
    """Shows one robot of a batch, in its scene, wherever it was."""

    def __init__(self, env: TaskVectorEnv, row: int, qpos: npt.NDArray[np.float32]) -> None:
        speeds = np.zeros((1, env.engine.model.nv))  # none of them are seen
        self.engine = SimpleNamespace(qpos=qpos[None].astype(np.float64), qvel=speeds)
        self.metadata, self.camera = env.metadata, env.camera
        self._env, self._row = env, row

    def scene_key(self, sim: int) -> int:
        return 0

    def scene(self, sim: int) -> mujoco.MjSpec:
        return self._env.scene(self._row)


class _EndCaption(Caption):
    """Says the time, and at the end what went wrong."""

    def at(self, seconds: float, picture: Picture, why: str = "") -> Picture:
        """Returns the picture with its caption."""
        self.seconds, self.verdict = seconds, why
        return self.write(picture)
