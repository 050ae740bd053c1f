"""Keeps experience in the robot's store; learning goes on without one that fails."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.experience.key import master_key
from edge_runtime.experience.layout import Flag, Layout
from edge_runtime.experience.layout import Rows as Records
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.extras import install_line
from edge_runtime.learning.process.job import StoreConfig
from edge_runtime.learning.tier import Rows
from edge_runtime.policy.inference import Policy


class Keeper:
    """Appends rows to a store of experience, and finds those again that came after a checkpoint.

    The rows are kept as experience with the policy that the learner began with: the
    log-probability of each action is that under whichever policy drove.

    Args:
        config: where the store is.
        policy: that the learner began with.
        reward: names of the reward's parts.

    Attributes:
        failure: why nothing is kept, or not all; empty if it is.
    """

    def __init__(self, config: StoreConfig, policy: Policy, reward: Sequence[str]) -> None:
        contract, self.failure = policy.contract, ""
        self.layout = Layout(
            policy=policy.sha256,
            robot=contract.robot,
            observation=contract.observation_size,
            action=len(contract.actuators),
            reward=tuple(reward),
            period=contract.control_period,
        )
        self._store: ExperienceStore | None = None
        if config.folder is None:
            return
        try:
            key = master_key(config.key, config.credential)
            limit, robot_id = round(config.limit * 1e6), config.robot_id
            self._store = ExperienceStore(config.folder, key, self.layout, limit, robot_id)
        except UserError as error:
            self.failure = str(error)
        except ModuleNotFoundError as error:
            self.failure = f"the store needs {error.name}; {install_line('learn')}"

    @property
    def is_open(self) -> bool:
        """Returns whether experience is kept."""
        return self._store is not None

    def append(self, rows: Rows) -> None:
        """Adds rows; a disk that does not take them is named in `failure`."""
        store = self._store
        if store is None:
            return
        records = np.zeros(len(rows.number), self.layout.dtype)
        for name in ("number", "observation", "action", "log_prob", "reward", "flags"):
            records[name] = getattr(rows, name)
        store.append(records)
        if store.dropped:
            self.failure = f"{store.dropped} rows were not kept: {store.failure}"

    def sync(self) -> None:
        """Writes all rows through to the disk."""
        if self._store is not None:
            self._store.sync()

    def since(self, number: int) -> Rows | None:
        """Returns the rows that came after the newest one of tick `number`; None without any.

        They have neither signals nor targets.
        """
        found: list[Records] = []
        try:
            for records in () if self._store is None else self._store.read():
                found.append(records)
                if len(at := np.flatnonzero(records["number"] == number)):
                    found = [records[at[-1] + 1 :]]
        except UserError as error:
            self.failure = str(error)
        joined = np.concatenate(found) if found else np.zeros(0, self.layout.dtype)
        return _rows(joined[joined["number"] > number])

    def close(self) -> None:
        """Closes the store."""
        if self._store is not None:
            with suppress(UserError):
                self._store.close()


def _rows(records: Records) -> Rows | None:
    if not len(records):
        return None
    flags = records["flags"].copy()
    flags[-1] |= Flag.CUT  # what it led to is not there
    return Rows(
        number=records["number"].copy(),
        flags=flags,
        observation=records["observation"].copy(),
        action=records["action"].copy(),
        log_prob=records["log_prob"].copy(),
        target=np.zeros((len(records), 0), np.float32),
        signals={},
        reward=records["reward"].copy(),
    )
