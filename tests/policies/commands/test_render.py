from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from sim2edge.__main__ import main as sim2edge

SMALL = ("--width", 160, "--height", 120)


def render(*words: object) -> int:
    return sim2edge(["render", *map(str, words)])


def test_a_film_has_the_length_and_size_that_were_asked_for(trained: Path, tmp_path: Path) -> None:
    film = tmp_path / "films" / "walk.mp4"
    common = ("--output", film, "--seconds", 0.4, *SMALL)
    assert render(trained, *common, "--command", 0.5, 0, 0, "--contacts") == 0
    frames = iio.imread(film)
    assert frames.shape == (10, 120, 160, 3)
    assert frames[0].std() > 10
    assert (frames[0] != frames[-1]).any()
    assert [path.name for path in film.parent.iterdir()] == ["walk.mp4"]


def test_captions_and_cameras_change_the_picture(trained: Path, tmp_path: Path) -> None:
    pictures = []
    for number, options in enumerate(
        [(), ("--no-captions",), ("--camera", "head"), ("--camera", "above")]
    ):
        film = tmp_path / f"{number}.mp4"
        assert render(trained, "--output", film, "--seconds", 0.04, *SMALL, *options) == 0
        pictures.append(iio.imread(film)[0].astype(int))
    top_left = (slice(0, 40), slice(0, 60))
    assert np.abs(pictures[0][top_left] - pictures[1][top_left]).max() > 60
    for other in pictures[2:]:
        assert np.abs(pictures[0] - other).mean() > 5


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--camera", "nowhere"), "no camera 'nowhere'; there are follow"),
        (("--command", "1"), "--command has 1 numbers"),
        (("--seconds", "0"), "--seconds"),
        (("--seconds", "inf"), "--seconds"),
        (("--width", "3"), "--width"),
        (("--seed", "-1"), "--seed"),
        (("--recording", "nothing.npz"), "nothing.npz does not exist"),
        (("--recording", "motion.npz", "--randomize"), "--randomize"),
        (("--recording", "motion.npz", "--command", "1", "0", "0"), "--command"),
    ],
)
def test_a_users_mistake_gets_one_line(
    options: tuple[str, ...],
    complaint: str,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    film = tmp_path / "film.mp4"
    assert render(trained, "--output", film, *options) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error
    assert error.count("\n") == 0
    assert not film.exists()


def test_a_machine_that_cannot_draw_says_so(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    assert render(trained, "--output", tmp_path / "film.mp4", *SMALL) == 2
    error = capsys.readouterr().err.strip()
    assert "cannot render on this machine" in error
    assert error.count("\n") == 0
