from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from edge_runtime.errors import UserError
from policies.film.caption import Caption
from policies.film.film_file import write_film
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


@pytest.mark.parametrize("ending", ["gif", "webp", "GIF"])
def test_a_picture_that_moves_needs_no_ffmpeg(
    ending: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nonexistent")
    film = tmp_path / f"walk.{ending}"
    assert render(trained, "-o", film, "--seconds", 0.3, *SMALL) == 0
    with Image.open(film) as picture:
        assert picture.format == ending.upper()
        assert (picture.n_frames, picture.size) == (5, (160, 120))


def test_a_film_without_an_ending_goes_into_a_pipe_as_mp4(trained: Path, tmp_path: Path) -> None:
    with (tmp_path / "film.mp4").open("wb") as file:
        assert render(trained, "-o", f"/dev/fd/{file.fileno()}", "--seconds", 0.1, *SMALL) == 0
    assert len(iio.imread(tmp_path / "film.mp4")) == 3


@pytest.mark.parametrize(
    ("ffmpeg", "complaint"),
    [
        ("/nonexistent", "an MP4 needs ffmpeg, which cannot be run (No such file or directory)"),
        ("exit 1", "ffmpeg failed (exit code 1)"),
        ("exit 0", "this ffmpeg writes no H.264"),
        ("echo '------ V libx264'", "ffmpeg failed"),
    ],
)
def test_an_ffmpeg_that_does_not_work_is_one_line(
    ffmpeg: str,
    complaint: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{ffmpeg}\n")
    program.chmod(0o755)
    path = ffmpeg if ffmpeg.startswith("/") else program
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))
    film = tmp_path / "film.mp4"
    assert render(trained, "-o", film, "--seconds", 0.2, *SMALL) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error and ".gif or .webp" in error
    assert error.count("\n") == 0 and not film.exists()


@pytest.mark.parametrize(
    ("end", "complaint"),
    [
        ("exit 1", "ffmpeg failed (exit code 1)"),
        ("kill -9 $$", "ffmpeg failed (exit code -9)"),
        (
            "echo '[out#0/mp4 @ 0x5] Error writing trailer: No space left on device' >&2; exit 228",
            "ffmpeg failed (Error writing trailer: No space left on device); make room",
        ),
    ],
)
def test_an_ffmpeg_that_fails_at_its_end_leaves_the_old_film(
    end: str,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"""#!/bin/sh
        case "$*" in *-encoders*) echo ' V libx264 '; exit 0;; esac
        for film; do :; done  # the last argument
        cat > "$film"
        {end}
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    film = tmp_path / "films" / "film.mp4"
    film.parent.mkdir()
    film.write_text("the old film")
    pictures = np.zeros((3, 120, 160, 3), np.uint8)
    with pytest.raises(UserError) as refused:
        write_film(film, iter(pictures), 25.0)
    assert complaint in str(refused.value) and "\n" not in str(refused.value)
    assert film.read_text() == "the old film"
    assert list(film.parent.iterdir()) == [film]


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_a_film_without_a_picture_is_refused(
    ending: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / f"film.{ending}"
    assert render(trained, "-o", film, "--seconds", 0.005, *SMALL) == 2
    error = capsys.readouterr().err
    assert "--seconds 0.005 is too short for one picture" in error and error.count("\n") == 1
    assert not film.exists()


def test_policies_stand_side_by_side_and_simulations_in_a_mosaic(
    trained: Path, tmp_path: Path
) -> None:
    pair, mosaic = tmp_path / "pair.mp4", tmp_path / "mosaic.mp4"
    size = ("--width", 320, "--height", 120, "--seconds", 0.04, "--no-captions")
    assert render(trained, trained / "policy.onnx", "-o", pair, *size) == 0
    (left, right) = np.split(iio.imread(pair)[0].astype(int), 2, axis=1)
    assert np.abs(left - right).mean() < 2  # the same policy in the same world
    assert render(trained, "-o", mosaic, *size, "--sims", 3) == 0
    frame = iio.imread(mosaic)[0].astype(int)
    parts = [part for row in np.split(frame, 2) for part in np.split(row, 2, axis=1)]
    assert [part.std() > 10 for part in parts] == [True, True, True, False]
    assert np.abs(parts[0] - parts[1]).mean() > 1  # others start otherwise


@pytest.mark.slow
def test_a_fall_is_marked(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[str] = []
    monkeypatch.setattr(Caption, "mark", lambda self, what: marked.append(what))
    asked = ("--seconds", 1.6, "--command", 1.0, 0, 0, "--randomize", *SMALL)
    assert render(trained, "-o", tmp_path / "fall.gif", *asked) == 0
    assert marked and set(marked) == {"failed"}  # this policy has learned nothing


@pytest.mark.slow
def test_captions_and_cameras_change_the_picture(trained: Path, tmp_path: Path) -> None:
    pictures = []
    for number, options in enumerate(
        [(), ("--no-captions",), ("--camera", "head"), ("--camera", "above")]
    ):
        film = tmp_path / f"{number}.mp4"
        assert render(trained, "--output", film, "--seconds", 0.04, *SMALL, *options) == 0
        pictures.append(iio.imread(film)[0].astype(int))
    below = (slice(-20, None), slice(0, 60))
    assert np.abs(pictures[0][below] - pictures[1][below]).max() > 60
    for other in pictures[2:]:
        assert np.abs(pictures[0] - other).mean() > 5


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--output", "film.xyz"), "film.xyz: a film ends in .mp4, .gif, .webp"),
        (("--output", "film"), "film: a film ends in .mp4, .gif, .webp"),
        (("--sims", "0"), "--sims"),
        (("--sims", "2", "--recording", "motion.npz"), "without --sims"),
        (("--camera", "nowhere"), "no camera 'nowhere'; there are follow"),
        (("--command", "1"), "--command has 1 numbers"),
        (("--seconds", "0"), "--seconds"),
        (("--seconds", "inf"), "--seconds"),
        (("--seconds", "1e308"), "--seconds is 1e+308 s; it must be"),
        (("--width", "3"), "--width"),
        (("--width", "10000000000"), "--width is 10000000000 pixels; it must be from 64 to 8192"),
        (("--sims", "200", "--seconds", "1"), "pixels is too small to see anything; film fewer"),
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
