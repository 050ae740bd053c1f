"""The demo says beforehand what it does and how long that takes."""

from pathlib import Path

import pytest

from policies.commands import demo


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(4.0, "some 8 minutes: both robots drive for 12 s"), (0.0, "some 3 minutes: both robots")],
)
def test_it_says_beforehand_how_long_it_takes(
    minutes: float,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "_drive", lambda *_: [])
    monkeypatch.setattr(demo, "_train", lambda *_: [])
    assert demo.main(demo.DemoConfig(tmp_path, minutes=minutes)) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert said in first
    assert ("not to walk" in first) == bool(minutes)
