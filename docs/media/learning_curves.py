"""Draws how algorithms learn a task, from runs of `sim2edge train`, for a page of the docs.

sim2edge train VehicleTrack --algorithm sac --run-dir runs/car-sac
python docs/media/learning_curves.py docs/media/learning_car.svg runs/car-*

Each run is a line: the mean return of the episodes that ended, by steps and by minutes of training.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

RETURN = "episode/return"
COLORS = {"ppo": "#1f77b4", "sac": "#d55e00", "tqc": "#009e73"}


def main(output: Path, runs: list[Path]) -> None:
    """Writes the picture, with a panel by steps and one by minutes."""
    figure, (by_steps, by_minutes) = plt.subplots(1, 2, figsize=(9.0, 3.2), sharey=True)
    for run in runs:
        config = json.loads((run / "config.json").read_text())
        algorithm = config["algorithm"]
        events = EventAccumulator(str(run))
        events.Reload()
        rows = events.Scalars(RETURN)
        begun = rows[0].wall_time
        returns = [row.value for row in rows]
        style = {"label": algorithm.upper(), "color": COLORS.get(algorithm)}
        by_steps.plot([row.step / 1e6 for row in rows], returns, **style)
        by_minutes.plot([(row.wall_time - begun) / 60.0 for row in rows], returns, **style)
    by_steps.set(xlabel="million steps", ylabel="return")
    by_minutes.set(xlabel="minutes")
    for axes in (by_steps, by_minutes):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    by_steps.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
