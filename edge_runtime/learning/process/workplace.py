"""Keeps the files by which the robot's process and the learner's tell each other what is new.

Each file is replaced or added as a whole, so that neither side reads a half one, whatever kills
the other.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edge_runtime.config.config_file import read_config, to_json
from edge_runtime.config.document import read_table
from edge_runtime.errors import UserError
from edge_runtime.files import make_folder, read_file, write_file
from edge_runtime.learning.tier import Proposal
from edge_runtime.policy.inference import LARGEST

_PROPOSAL, _VERDICT = "proposal", "verdict"
POLICY_FILE = "policy.onnx"  # that the learner began with
_PROGRESS, _PAUSE = "progress.json", "pause.json"
_NAME = re.compile(rf"({_PROPOSAL}|{_VERDICT})-(\d{{6}})\.json")
# All that a learner leaves in its folder.
_OURS = re.compile(
    rf"({_PROPOSAL}|{_VERDICT})-\d{{6}}\.(json|onnx)|{_PROGRESS}|{_PAUSE}|{POLICY_FILE}"
    r"|job\.json|checkpoint\.npz"
)
T = TypeVar("T")


@dataclass(frozen=True)
class ProposalNote:
    """Describes a proposal beside its policy file."""

    tier: str
    why: str
    sha256: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class VerdictNote:
    """Says what became of a proposal; a later note about the same one takes an earlier one back."""

    proposal: int
    good: bool
    why: str


class Workplace:
    """Reads and writes the files of one learner; proposals and verdicts are numbered from 1.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clear(self) -> None:
        """Makes the folder, or removes from it what a learner has left there, and nothing else.

        Raises:
            UserError: it cannot be written.
        """
        make_folder(self.folder)
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def first_policy(self) -> bytes:
        """Returns the file of the policy that the learner began with.

        Raises:
            UserError: it cannot be read.
        """
        return read_file(self.folder / POLICY_FILE, "policy", LARGEST)

    # -- the learner's side ----------------------------------------------------------------

    def propose(self, number: int, tier: str, proposal: Proposal) -> None:
        """Leaves a proposal for the robot's process.

        Raises:
            UserError: it cannot be written.
        """
        sha256 = hashlib.sha256(proposal.model).hexdigest()
        note = ProposalNote(tier, proposal.why, sha256, dict(proposal.numbers))
        write_file(self._model(number), proposal.model)
        self._add(_PROPOSAL, number, note)

    def verdicts(self, after: int) -> list[tuple[int, VerdictNote]]:
        """Returns the verdicts with numbers beyond `after`, in order.

        Raises:
            UserError: one cannot be read.
        """
        return self._notes(_VERDICT, VerdictNote, after)

    def report(self, progress: Mapping[str, Any]) -> None:
        """Leaves what people see.

        Raises:
            UserError: it cannot be written.
        """
        write_file(self.folder / _PROGRESS, json.dumps(progress, indent=2) + "\n")

    @property
    def pause(self) -> str:
        """Returns why nothing is to be learned for now; empty if something is."""
        try:
            return str(read_table(self.folder / _PAUSE, "pause").get("why", ""))
        except UserError:
            return ""

    # -- the robot's side ------------------------------------------------------------------

    def proposals(self, after: int) -> list[tuple[int, ProposalNote]]:
        """Returns the proposals with numbers beyond `after`, in order.

        Raises:
            UserError: one cannot be read.
        """
        return self._notes(_PROPOSAL, ProposalNote, after)

    def model(self, number: int) -> bytes:
        """Returns the policy file of a proposal.

        Raises:
            UserError: it cannot be read.
        """
        return read_file(self._model(number), _PROPOSAL, LARGEST)

    def judge(self, number: int, verdict: VerdictNote) -> None:
        """Leaves a verdict for the learner.

        Raises:
            UserError: it cannot be written.
        """
        self._add(_VERDICT, number, verdict)

    def progress(self) -> dict[str, Any]:
        """Returns what people see; empty before there is something."""
        try:
            return read_table(self.folder / _PROGRESS, "progress")
        except UserError:
            return {}

    def set_pause(self, why: str) -> None:
        """Lets the learner pause, or go on if there is no reason.

        Raises:
            UserError: it cannot be written.
        """
        write_file(self.folder / _PAUSE, json.dumps({"why": why}) + "\n")

    def _model(self, number: int) -> Path:
        return self.folder / f"{_PROPOSAL}-{number:06d}.onnx"

    def _add(self, kind: str, number: int, note: ProposalNote | VerdictNote) -> None:
        text = json.dumps(to_json(note), indent=2)
        write_file(self.folder / f"{kind}-{number:06d}.json", text + "\n")

    def _notes(self, kind: str, of: type[T], after: int) -> list[tuple[int, T]]:
        try:
            found = [_NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        except OSError as error:
            raise UserError(f"cannot read {self.folder}: {error.strerror}") from None
        numbers = sorted(int(m[2]) for m in found if m and m[1] == kind and int(m[2]) > after)
        paths = ((n, self.folder / f"{kind}-{n:06d}.json") for n in numbers)
        return [(n, read_config(of, path, kind)) for n, path in paths]
