"""Reads the log of a run: who drove, how fast, and how far the estimate was off.

sim2edge run policy.onnx --log drive.s2elog && python examples/read_log.py drive.s2elog
"""

from pathlib import Path

import numpy as np
import tyro

from edge_runtime.recording.run_log_format import ESTIMATE, SENSOR, read_run_log


def main(log: tyro.conf.Positional[Path]) -> None:
    """Prints what the log says of each signal, and the errors of the estimates that it can
    judge."""
    record = read_run_log(log)
    rows = record.rows  # one a tick; `rows.dtype` names the columns
    seconds = (rows["time"][-1] - rows["time"][0]) * 1e-9
    print(
        f"{record.contract.task} on {record.robot.name}, estimator {record.fusion}: {seconds:.1f} s"
    )
    print(f"{len(rows)} ticks, {rows['missed'].sum()} missed, {np.sum(rows['lost'])} lost")
    for column in rows.dtype.names or ():
        if column.startswith((SENSOR, ESTIMATE)):
            print(f"{column:28} standard deviation {np.std(rows[column], axis=0)[:4].round(3)}")
    truth, estimate = (f"{SENSOR}true_velocity", f"{ESTIMATE}base_velocity")
    if {truth, estimate} <= set(rows.dtype.names or ()):
        error = np.linalg.norm(rows[estimate] - rows[truth], axis=1)
        print(f"velocity is off by {np.sqrt(np.mean(error**2)):.3f} m/s (RMS)")


if __name__ == "__main__":
    tyro.cli(main)
