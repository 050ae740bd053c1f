"""Lets an edge node's robot learn on the job: while the node is active, unless it is stopped."""

import threading
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.files import cache_folder
from edge_runtime.learning.beside.learning import Learning, LearningConfig
from edge_runtime.learning.process.job import StoreConfig
from edge_runtime.loop.session import Session
from edge_runtime.slots.records import Note
from sim2edge_ros.edge.policies import Policies
from sim2edge_ros.settings.parameters import EdgeParameters

OFF = "off"


class NodeLearning:
    """Starts what learns with each activation, and ends it before the robot comes to rest.

    The learner goes on from where it was in this process. The thread of the node's states and that
    of the services call the methods.

    Args:
        parameters: the edge node's parameters.
        policies: the drive's policies.
        changing: guards changes of policies.
        note: records what happens.
    """

    def __init__(
        self,
        parameters: EdgeParameters,
        policies: Policies,
        changing: threading.RLock,
        note: Note,
    ) -> None:
        self._parameters, self._policies = parameters, policies
        self._changing, self._note = changing, note
        self._ends = False  # whether it is just being stopped
        self._learning: Learning | None = None
        self._has_learned = False
        self._wanted = parameters.learn != OFF
        self.failure = ""  # why it does not learn, although it should

    @property
    def learning(self) -> Learning | None:
        """Returns what learns at present; None if nothing does."""
        return self._learning

    def begin(self, session: Session) -> None:
        """Starts learning with an activation, if it was not stopped; the robot drives anyway."""
        if not self._wanted:
            return
        try:
            self._start(session)
        except UserError as error:
            self.failure = str(error)

    def start(self, session: Session) -> str:
        """Starts learning, as an operator asks.

        Returns:
            What was done.

        Raises:
            UserError: it learns already, the parameter `learn` is off, or something is missing.
        """
        if self._parameters.learn == OFF:
            raise UserError("parameter 'learn' is off; set it to trim, adapter or both")
        if self._learning is not None:
            raise UserError("the robot learns already")
        self._start(session)
        self._wanted = True
        return f"the robot learns ({self._parameters.learn})"

    def stop(self) -> str:
        """Stops learning, as an operator asks; what was promoted drives on.

        Raises:
            UserError: it does not learn.
        """
        if self._learning is None:
            raise UserError("the robot does not learn")
        self._wanted = False
        self.end()
        return "the robot learns no more"

    def end(self) -> None:
        """Ends what is tried, and the learner."""
        with self._changing:
            learning, self._learning = self._learning, None
            if learning is None:
                return
            self._ends = True
        try:  # its thread may wait for what is guarded above
            learning.rest()
        except UserError as error:  # a loop that does not tick
            self.failure = str(error)
        learning.close()
        self._ends = False

    def values(self) -> dict[str, Any]:
        """Returns what /diagnostics shows, by name."""
        learning = self._learning
        if learning is None:
            return {"failure": self.failure} if self.failure else {}
        supervisor, progress = learning.supervisor, learning.supervisor.progress
        values: dict[str, Any] = {
            "tier": progress.get("tier", ""),
            "experience_s": progress.get("seconds", 0.0),
            "return_per_minute": progress.get("return_per_minute", [])[-10:],
            "falls": progress.get("falls", 0),
            "ticks_lost": progress.get("ticks_lost", 0),
            "store": progress.get("store", ""),
            "note": progress.get("note", ""),
            "restarts": supervisor.child.restarts,
        }
        values |= progress.get("progress", {}).get(values["tier"], {})
        shown = {f"proposal {t.number}": t.described() for t in supervisor.trials[-5:]}
        return values | shown

    def _start(self, session: Session) -> None:
        parameters = self._parameters
        with self._changing:
            if self._learning is not None:
                return
            if self._ends:
                raise UserError("learning is just being stopped; ask again")
            store = StoreConfig(_path(parameters.learn_store), _path(parameters.learn_store_key))
            kit = _path(parameters.learn_kit)
            config = LearningConfig(tier=parameters.learn, kit=kit, store=store)
            folder = _path(parameters.learn_folder) or cache_folder("learning") / parameters.robot
            self._learning = Learning(
                session,
                self._policies.first_model,
                config,
                folder,
                policy=self._policies.first,
                kit=self._policies.kit,
                resume=self._has_learned,
                policies=self._policies.slots,
                changing=self._changing,
                slots=self._policies.folder,
                note=self._note,
            )
            self._has_learned, self.failure = True, ""


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None
