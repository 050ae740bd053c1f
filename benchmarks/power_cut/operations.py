"""Lists the operations whose power is cut: a robot's policies, and its audit log."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from pathlib import Path
from typing import Any

from edge_runtime.audit.audit_log import AuditLog, RetentionConfig, begin_log
from edge_runtime.audit.record import parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.verification import verify
from edge_runtime.errors import UserError
from edge_runtime.keys.key_file import KEY_SIZE
from edge_runtime.policy.inference import GOLDEN_TOLERANCE
from edge_runtime.policy.shipped import shipped_policies
from edge_runtime.slots.slot_folder import SlotFolder, SlotsConfig
from edge_runtime.slots.slot_state import SlotState
from power_cut.trials import Operation

Acknowledge = Callable[[Any], None]
CONFIG = SlotsConfig(boots=3)
_KEY = bytes(range(KEY_SIZE))  # of the first record
_YEARS = timedelta(days=3650)


@cache
def model(number: int) -> bytes:
    """Returns one of some policies that differ in their content."""
    (shipped,) = [path for name, path in shipped_policies().items() if name == "VehicleTrack"]
    text = f"policy {number}".encode()
    return shipped.read_bytes() + b"\x32" + bytes([len(text)]) + text  # a model's doc_string


def policies_of(slots: SlotFolder) -> None:
    """Brings a first policy."""
    slots.install(model(0), "ann")


def promote(slots: SlotFolder, acknowledge: Acknowledge, number: int = 1) -> None:
    """Does all that is done with policies, and acknowledges the state after each step."""

    def done(state: SlotState | None = None) -> None:
        state = state or slots.status()
        acknowledge(("state", state.number, state.boots))

    done(slots.install(model(number), "ann"))
    slots.boot()
    done()
    slots.boot()
    done()
    done(slots.confirm("run"))
    done(slots.install(model(number + 1), "bob"))
    for _ in range(CONFIG.boots + 1):
        slots.boot()
        done()
    done(slots.install(model(number + 2), "bob"))
    done(slots.reject("the guard latched", "run"))
    done(slots.roll_back("cat"))
    slots.boot()


def wrong_slots(slots: SlotFolder, acknowledged: list[Any]) -> str:
    """Returns what is wrong with policies after a start: lost steps, or none that may drive.

    Whatever is found, a good policy is brought that `promote` does not bring, so that a fault of
    one cut is not found again after the next.
    """
    try:
        found = _wrong_start(slots, acknowledged)
    finally:
        goes_on = _goes_on(slots)
    return found or ("" if goes_on else "it does not go on")


def _wrong_start(slots: SlotFolder, acknowledged: list[Any]) -> str:
    steps = [what[1:] for what in acknowledged if what[0] == "state"]
    state = slots.status()
    if steps and (state.number, state.boots) < steps[-1] and state.number <= steps[-1][0]:
        return f"step {state.number} ({state.boots} starts) after {steps[-1]} was acknowledged"
    boot = slots.boot()
    if boot.model not in map(model, range(6)) or boot.policy.golden_error() > GOLDEN_TOLERANCE:
        return "a policy that nobody installed drives"
    if boot.remarks and "not confirmed" not in boot.remarks[0]:
        return f"a policy was damaged: {boot.described()}"
    return ""


def _goes_on(slots: SlotFolder) -> bool:
    """Returns whether another policy becomes the good one."""
    good = slots.status().good
    taken = good is not None and good.sha256 == hashlib.sha256(model(5)).hexdigest()
    new = model(4 if taken else 5)
    slots.install(new, "after the cut")
    slots.confirm("after the cut")
    return slots.boot().model == new


def _slots(folder: Path) -> SlotFolder:
    return SlotFolder(folder / "slots", CONFIG)


def _first(folder: Path, acknowledge: Acknowledge) -> None:
    state = _slots(folder).install(model(0), "ann")
    acknowledge(("state", state.number, state.boots))


def _check_first(folder: Path, acknowledged: list[Any]) -> str:
    if not acknowledged and not _slots(folder).exists():
        policies_of(_slots(folder))
    return wrong_slots(_slots(folder), acknowledged)


def begin(folder: Path) -> None:
    """Begins a log with small files, so that a few records fill some."""
    begin_log(folder / "audit", _KEY, RetentionConfig(segment_mb=0.002))


def _record(folder: Path, acknowledge: Acknowledge) -> None:
    for later in (timedelta(), _YEARS):
        with AuditLog(folder / "audit", partial(_clock, later)) as log:
            for _ in range(6):
                acknowledge(("record", log.append("guard", {"reaction": "hold"}).number))
            acknowledge(("record", log.checkpoint().number))
            log.remove_old()


def _clock(later: timedelta) -> datetime:
    return datetime.now(timezone.utc) + later


def wrong_log(folder: Path, acknowledged: list[Any]) -> str:
    """Returns what is wrong with a log after two starts: changed, or records lost."""
    for _ in range(2):
        verdict = verify(folder / "audit", _KEY)
        if verdict.findings:
            return "; ".join(verdict.findings)
        with AuditLog(folder / "audit") as log:
            log.append("booted", {})
    segments = segments_of(folder / "audit")
    kept = {parse(line).number for segment in segments for line in segment.lines()}
    wanted = {what[1] for what in acknowledged if what[0] == "record"}
    lost = sorted(number for number in wanted - kept if number >= segments[0].first)
    return f"records {lost} were acknowledged and are lost" if lost else ""


def _begin_acknowledged(folder: Path, acknowledge: Acknowledge) -> None:
    begin(folder)
    acknowledge("begun")


def _check_begun(folder: Path, acknowledged: list[Any]) -> str:
    try:
        AuditLog(folder / "audit").close()
    except UserError:
        if acknowledged:
            raise
        begin(folder)  # it never was
    return wrong_log(folder, [])


def promote_and_record(folder: Path, acknowledge: Acknowledge) -> None:
    """Promotes and rolls back, and records each change."""
    slots = _slots(folder)
    with AuditLog(folder / "audit") as log:

        def done(what: Any) -> None:
            acknowledge(what)
            slots.record(lambda event, details: acknowledge(_noted(log, event, details)))

        promote(slots, done)


def _noted(log: AuditLog, event: str, details: Any) -> tuple[str, int]:
    return "record", log.append(event, details).number


def wrong_all(folder: Path, acknowledged: list[Any]) -> str:
    """Returns what is wrong with policies and log: also changes that neither knows of."""
    found = _unknown_changes(folder)
    try:
        found = found or wrong_log(folder, acknowledged)
    finally:
        policies = wrong_slots(_slots(folder), acknowledged)
    return found or policies


def _unknown_changes(folder: Path) -> str:
    """Returns which changes of policies are in no log and do not wait for one."""
    state = _slots(folder).status()
    lines = (line for segment in segments_of(folder / "audit") for line in segment.lines())
    recorded = set[int]()
    for line in lines:
        try:
            recorded.add(parse(line).details.get("number", -1))
        except UserError:  # the record in writing
            continue
    waiting = {change.number for change in state.waiting}
    unknown = sorted(set(range(1, state.number)) - recorded - waiting)
    return f"no log holds changes {unknown}, and they do not wait for one" if unknown else ""


def prepare_all(folder: Path) -> None:
    """Begins a log, brings a first policy and records that."""
    begin(folder)
    policies_of(_slots(folder))
    with AuditLog(folder / "audit") as log:
        _slots(folder).record(log.append)


def _prepare_slots(folder: Path) -> None:
    policies_of(_slots(folder))


def promote_on_and_on(folder: Path, acknowledge: Acknowledge) -> None:
    """Promotes and rolls back without end, and records that, for a process that is killed."""
    while True:
        promote_and_record(folder, acknowledge)


def record_on_and_on(folder: Path, acknowledge: Acknowledge) -> None:
    """Records without end, for a process that is killed."""
    with AuditLog(folder / "audit") as log:
        while True:
            acknowledge(("record", log.append("guard", {"reaction": "hold"}).number))


OPERATIONS = (
    Operation("a first policy", lambda _: None, _first, _check_first),
    Operation(
        "promote and roll back",
        _prepare_slots,
        lambda folder, acknowledge: promote(_slots(folder), acknowledge),
        lambda folder, acknowledged: wrong_slots(_slots(folder), acknowledged),
    ),
    Operation("begin a log", lambda _: None, _begin_acknowledged, _check_begun),
    Operation("record", begin, _record, wrong_log),
    Operation("promote, roll back and record", prepare_all, promote_and_record, wrong_all),
)
