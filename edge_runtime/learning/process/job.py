"""Says what the learner's process is to do, and where it and the robot's process meet."""

import json
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config.config_file import read_config, to_json
from edge_runtime.config.fields import setting
from edge_runtime.files import write_file
from edge_runtime.learning.feed.feed_layout import FeedLayout
from edge_runtime.robot.robot import RobotDescription

JOB_FILE = "job.json"


@dataclass(frozen=True)
class StoreConfig:
    """Says where experience is kept, encrypted."""

    folder: Path | None = None
    """Folder of the store; without one, nothing is kept."""
    key: Path | None = None
    """The file of its key, which 'sim2edge experience new' makes."""
    credential: str = ""
    """Name of a systemd credential that holds the key, instead of the file."""
    limit: float = setting(200.0, "Size from which on the oldest is removed.", "MB", above=0)
    robot_id: str = ""
    """Which robot this is, such as its serial number; by default the name of its kind."""


@dataclass(frozen=True)
class LearnJob:
    """Tells the learner's process what to learn from, and how."""

    feed: str
    """Name of the shared memory."""
    layout: FeedLayout
    robot: RobotDescription
    to_policy: tuple[int, ...]
    """Where each joint of the policy stands in the robot's order."""
    tiers: tuple[str, ...]
    kit: Path | None = None
    store: StoreConfig = StoreConfig()
    seed: int = setting(0, "Seed of the learner.", at_least=0)
    lockstep: bool = False
    """Whether the robot waits for the learner."""
    cpu: int = setting(-1, "CPU of the control loop, which is left alone.", at_least=-1)
    turn: float = setting(180.0, at_least=0)
    """How long each tier but the last one learns, s of experience."""
    chunk: float = setting(1.0, "Experience that a tier takes at once.", "s", above=0)

    def write(self, folder: Path) -> None:
        """Writes the job into the folder in which the learner works.

        Raises:
            UserError: it cannot be written.
        """
        write_file(folder / JOB_FILE, json.dumps(to_json(self), indent=2) + "\n")


def read_job(folder: Path) -> LearnJob:
    """Reads the job in a folder.

    Raises:
        UserError: it cannot be read, or does not fit.
    """
    return read_config(LearnJob, folder / JOB_FILE, "job")
