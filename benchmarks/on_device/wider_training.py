"""Spends the same compute on training with wider randomization, without learning on the robot."""

import subprocess
import sys
import tempfile
from pathlib import Path

from policies.evaluation.policy_file import PolicyFile

# The faults of the devices, as far as a task's randomization knows them.
WIDER = {
    "HumanoidVelocity": {
        "stiffness": ("0.3", "1.2"),
        "damping": ("0.3", "1.2"),
        "payload": ("-1", "15"),
    },
    "VehicleTrack": {"friction": ("0.5", "1.1")},
}


def train_wider(name: str, minutes: float) -> PolicyFile:
    """Trains a committed policy on for that long, on robots that differ more."""
    ranges = [
        word
        for field, limits in WIDER[name].items()
        for word in (f"--task.randomization.{field.replace('_', '-')}", *limits)
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "sim2edge", "train", name, "--initial", name, *ranges]
        # More steps than there is time for: the learning rate falls with the share of the steps.
        command += ["--minutes", str(minutes), "--steps", "20000000", "--run-dir", str(run)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return PolicyFile.find(run)
