"""The lines that a training prints where there is no terminal."""

from pathlib import Path

import pytest

from policies.commands.train_progress import PlainLines, TrainProgress


def test_a_metric_does_not_hide_the_reward_term_of_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = TrainProgress(0, 100)
    progress.take(50, {"reward/foot_slip": -0.02, "metric/foot_slip": 0.33, "metric/speed": 1.5})
    with PlainLines("a training", Path("runs")) as lines:
        lines.show(progress)
    printed = capsys.readouterr().out
    assert "| foot_slip -0.02 |" in printed
    assert "| measured foot_slip 0.33 | speed 1.5" in printed
