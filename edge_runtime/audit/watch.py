"""Records in the audit log what is asked, which policy drives, and which rules are broken."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from edge_runtime.audit.audit_log import AuditLog
from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.safety.rules import Fault, Reaction

BEGINS, DRIVES, GUARD, ENDS = "run begins", "policy drives", "guard", "run ends"
ASKED, DONE, REFUSED, LOST = "asked for", "done", "refused", "records lost"
_PATIENCE = 5.0  # s for the disk
_MOST_NOTES = 1000  # that wait for the disk
_CHECKPOINTS = 3600.0  # s between two in a long run


class AuditWatch:
    """Observes ticks, and writes what belongs in the log from a thread of its own.

    Ticks with a broken rule are summed up, so that a rule that breaks in each tick makes no more
    than one record per period of writing. A log that cannot be written does not stop the robot:
    `failure` says why, it is tried again, and what did not fit in memory meanwhile is counted.

    Args:
        log: the log, which nobody else writes before `close` has returned.
        every: s between two looks at what is new.
    """

    def __init__(self, log: AuditLog, every: float = 0.25) -> None:
        self._log, self._every = log, every
        # What waits to be recorded, and who waits for that; its operations are atomic.
        self._notes: deque[tuple[str, Mapping[str, Any]] | threading.Event] = deque()
        self._lost = 0  # notes for which there was no room
        self._policy: Policy | None = None  # that drives
        self._begun = False  # whether a run's begin is recorded, and not its end
        self._broken = [0] * len(Fault)  # ticks in which a rule of each fault was broken
        self._reacting = [0] * len(Reaction)  # ticks in each reaction
        self._reaction = Reaction.NONE
        self._written = ([0] * len(Fault), [0] * len(Reaction), Reaction.NONE)  # of the last record
        self._signed = time.monotonic()  # s, of the last checkpoint
        self.failure = ""  # why the log is not written on; empty while it is
        self._ending, self._due = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def begin(self, policy: Policy, robot: str) -> None:
        """Records that a run begins; it returns when that is on the disk.

        Args:
            policy: the policy that will drive first.
            robot: how the user calls the robot.

        Raises:
            UserError: the log cannot be written.
        """
        self._begun = True
        self.note(BEGINS, {**described(policy), "robot": robot})
        if not self.flush():
            why = self.failure or f"the disk did not take a record within {_PATIENCE:g} s"
            raise UserError(f"cannot write audit log {self._log.folder}: {why}")

    def note(self, event: str, details: Mapping[str, Any]) -> None:
        """Adds a record soon; any thread may call this."""
        if len(self._notes) < _MOST_NOTES:
            self._notes.append((event, details))
        else:
            self._lost += 1

    def flush(self) -> bool:
        """Waits until what was noted is on the disk; returns whether it is."""
        done = threading.Event()
        self._notes.append(done)
        self._due.set()
        return done.wait(_PATIENCE) and not self.failure

    def observe(self, tick: Tick) -> None:
        """Takes in a tick."""
        if tick.policy is not self._policy:
            self._policy = tick.policy
            self.note(DRIVES, described(tick.policy))
        if tick.broken:
            for fault in {rule.fault for rule in tick.broken}:
                self._broken[fault] += 1
        self._reaction = tick.reaction
        self._reacting[tick.reaction] += 1

    def end(self, loop: ControlLoop) -> None:
        """Records how a run ended, if that is not recorded yet; its loop has ended before."""
        self._end(loop.ticks, loop.guard.latched, str(loop.error or ""))

    def fail(self, error: BaseException) -> None:
        """Records why a run ended before its loop did anything."""
        self._end(0, Reaction.NONE, str(error) or type(error).__name__)

    def close(self) -> None:
        """Writes what is left, and ends the thread."""
        self._ending.set()
        self._due.set()
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self.failure = f"a write did not end within {_PATIENCE:g} s"

    def described(self) -> str:
        """Says in one line where the log is, or why it is not complete."""
        return f"{self._log.folder}" + (f" is not complete: {self.failure}" if self.failure else "")

    def _end(self, ticks: int, latched: Reaction, error: str) -> None:
        if self._begun:
            self.note(ENDS, {"ticks": ticks, "latched": latched.name.lower(), "error": error})
        self._begun, self._policy = False, None

    def _run(self) -> None:
        self._try(self._log.remove_old)
        while not self._ending.is_set():
            self._due.wait(self._every)
            self._due.clear()
            self._try(self._write)
        self._try(self._write)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
            self.failure = ""
            return
        except OSError as error:
            self.failure = error.strerror or str(error)
        except Exception as error:  # the log must not end unseen
            self.failure = f"{type(error).__name__}: {error}"
        for note in [n for n in self._notes.copy() if isinstance(n, threading.Event)]:
            self._notes.remove(note)
            note.set()

    def _write(self) -> None:
        if self._lost:
            self._log.append(LOST, {"notes": self._lost})
            self._lost = 0
        while self._notes:
            note = self._notes[0]
            if isinstance(note, threading.Event):
                self._notes.popleft()
                note.set()
                continue
            event, details = note
            if event == ENDS:
                self._write_guard()
            try:
                self._log.append(event, details)
            except UserError as error:  # they cannot be recorded, now or later
                self._log.append(event, {"not recorded": str(error)})
            self._notes.popleft()
            if event == ENDS:
                self._sign()
        self._write_guard()
        if time.monotonic() - self._signed > _CHECKPOINTS:
            self._log.remove_old()
            self._sign()

    def _sign(self) -> None:
        self._log.checkpoint()
        self._signed = time.monotonic()

    def _write_guard(self) -> None:
        broken, reacting, reaction = list(self._broken), list(self._reacting), self._reaction
        broken_before, reacting_before, reaction_before = self._written
        grown = {f.name.lower(): broken[f] - broken_before[f] for f in Fault}
        grown = {name: ticks for name, ticks in grown.items() if ticks}
        worst = max((r for r in Reaction if reacting[r] > reacting_before[r]), default=reaction)
        if grown or reaction is not reaction_before or worst > reaction_before:
            kinds = {"worst": worst.name.lower(), "reaction": reaction.name.lower()}
            self._log.append(GUARD, {"broken_ticks": grown, **kinds})
            self._written = broken, reacting, reaction
        else:
            self._written = broken_before, reacting, reaction


@contextmanager
def watching(folder: Path | None) -> Iterator[AuditWatch | None]:
    """Opens the audit log in a folder and yields what writes it; None without a folder.

    Raises:
        UserError: the folder holds no log, or another process writes it.
    """
    if folder is None:
        yield None
        return
    with AuditLog(folder) as log, closing(AuditWatch(log)) as watch:
        yield watch


@contextmanager
def starting(watch: AuditWatch | None, policy: Policy, robot: str) -> Iterator[None]:
    """Records that a run begins, and that it ended if the block, which starts it, raises.

    Args:
        watch: what writes the log; None without one.
        policy: the policy that will drive first.
        robot: how the user calls the robot.

    Raises:
        UserError: the log cannot be written.
    """
    if watch is None:
        yield
        return
    watch.begin(policy, robot)
    try:
        yield
    except BaseException as error:
        watch.fail(error)
        raise


def described(policy: Policy) -> dict[str, Any]:
    """Returns what identifies a policy in the log."""
    contract = policy.contract
    return {
        "file": policy.source,
        "sha256": policy.sha256,
        "task": contract.task,
        "commit": contract.provenance.commit,
    }
