"""A server that has seen a log remembers its past, whatever becomes of the robot."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from edge_runtime.audit.audit_log import AuditLog
from edge_runtime.audit.countersignature import COUNTERSIGNED_FILE, read_countersignature
from edge_runtime.audit.countersigning import begin_server, countersign, kept_receipt, store_receipt
from edge_runtime.audit.key_file import KEY_FILE, NextKey, write_next_key
from edge_runtime.audit.record import Record, digest, next_key, parse
from edge_runtime.audit.signature import Signer
from edge_runtime.audit.verification import verify
from edge_runtime.errors import UserError
from sim2edge.__main__ import main as sim2edge
from tests.edge_runtime.audit.logs import begun, file_of, lines_of, rewrite


@dataclasses.dataclass
class Signed:
    """A robot's log, whose first seven records a server has signed, and the server."""

    log: Path
    key: bytes
    robot: str
    folder: Path
    server: str


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    key = begun(tmp_path / "log")
    with AuditLog(tmp_path / "log") as log:
        for number in range(5):
            log.append("promoted", {"policy": f"{number:064x}"})
        log.checkpoint()
        robot = log.public
    server = begin_server(tmp_path / "server")
    found = Signed(tmp_path / "log", key, robot, tmp_path / "server", server)
    countersign(found.folder, found.log, robot)
    store_receipt(found.log, kept_receipt(found.folder, robot), server)
    with AuditLog(found.log) as log:
        log.append("rolled back", {})
    return found


def as_root(signed: Signed, first: int, last: int) -> None:
    """Writes the log anew up to a record, with all that root can know: a new chain, new seals.

    The new seals are those of a key that `verify` without the first key cannot tell from the old.
    """
    signer, key = Signer(signed.log), b"stolen".ljust(32)
    lines = lines_of(signed.log)[: last + 1]
    for number in range(first, last + 1):
        content = vars(parse(lines[number])) | {"before": digest(lines[number - 1])}
        if content["event"] == "checkpoint":
            signature = {"signature": signer.sign(content["before"]), "public_key": signer.public}
            content["details"] = signature
        elif number == first:
            content["details"] = {"policy": "of the thief's"}
        lines[number] = Record(**content).sealed(key).line()
        key = next_key(key)
    rewrite(signed.log, lines)
    write_next_key(signed.log, NextKey(last + 1, key, digest(lines[-1])))


def test_a_log_that_goes_on_is_intact(signed: Signed) -> None:
    verdict = verify(signed.log, signed.key, server=signed.server)
    assert verdict.findings == []
    assert verdict.countersigned.startswith("record 6 on 20")
    with AuditLog(signed.log) as log:
        log.checkpoint()
    again = countersign(signed.folder, signed.log, signed.robot, signed.key)
    assert again.number == 8
    store_receipt(signed.log, kept_receipt(signed.folder, signed.robot), signed.server)
    assert verify(signed.log, server=signed.server).countersigned.startswith("record 8 on")


@pytest.mark.parametrize("first", range(1, 7))
def test_root_cannot_rewrite_what_the_server_has_signed(signed: Signed, first: int) -> None:
    """Without the key of the first record, which may not be at hand."""
    shutil.move(signed.log / COUNTERSIGNED_FILE, signed.log / "aside")
    as_root(signed, first, 7)
    assert verify(signed.log, public=signed.robot).intact, "by itself the log looks sound"
    shutil.move(signed.log / "aside", signed.log / COUNTERSIGNED_FILE)
    findings = verify(signed.log, public=signed.robot, server=signed.server).findings
    assert findings == ["record 6 is not the one that the server has seen"]
    with pytest.raises(UserError, match="record 6 is not the one that this server has seen"):
        countersign(signed.folder, signed.log, signed.robot)


@pytest.mark.parametrize("last", range(1, 6))
def test_root_cannot_cut_off_what_the_server_has_signed(signed: Signed, last: int) -> None:
    as_root(signed, 1, last)
    findings = verify(signed.log, public=signed.robot, server=signed.server).findings
    named = f"records {last + 1} to 6 are" if last < 5 else "record 6 is"
    assert findings == [f"{named} missing: the server has seen more"]


def test_what_came_after_the_last_countersignature_is_out_of_its_reach(signed: Signed) -> None:
    """Root may rewrite or cut off record 7; the first key alone finds it."""
    as_root(signed, 7, 7)
    assert verify(signed.log, public=signed.robot, server=signed.server).intact
    assert not verify(signed.log, signed.key, server=signed.server).intact
    as_root(signed, 7, 6)
    assert verify(signed.log, public=signed.robot, server=signed.server).intact


def test_root_may_remove_the_receipt_but_not_that_of_the_server(signed: Signed) -> None:
    (signed.log / COUNTERSIGNED_FILE).unlink()
    as_root(signed, 2, 7)
    verdict = verify(signed.log, public=signed.robot, server=signed.server)
    assert verdict.intact
    assert any("countersigned.json is not here" in what for what in verdict.unchecked)
    kept = read_countersignature(kept_receipt(signed.folder, signed.robot)).receipt
    findings = verify(signed.log, public=signed.robot, receipts={"its copy": kept}).findings
    assert findings == ["record 6 is not the one that its copy has seen"]


def test_an_older_folder_with_its_older_receipt_needs_the_servers(signed: Signed) -> None:
    shutil.copytree(signed.log, signed.log.parent / "old")
    with AuditLog(signed.log) as log:
        log.checkpoint()
    new = countersign(signed.folder, signed.log, signed.robot)
    old = signed.log.parent / "old"
    assert verify(old, signed.key, server=signed.server).intact
    new_one = {"the server": new.receipt}  # by the name of the old one's writer
    found = verify(old, signed.key, receipts=new_one, server=signed.server)
    assert found.findings == ["record 8 is missing: the server has seen more"]
    with pytest.raises(UserError, match="record 8 is missing: this server has seen more"):
        countersign(signed.folder, old, signed.robot)


CHANGES = {
    "number": 5,
    "hash": "0" * 64,
    "time": "2027-01-01T00:00:00+00:00",
    "robot": "0" * 64,
    "server": "0" * 64,
    "signature": "0" * 128,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_receipt_is_found(signed: Signed, name: str) -> None:
    path = signed.log / COUNTERSIGNED_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: CHANGES[name]}))
    findings = verify(signed.log, signed.key, server=signed.server).findings
    if name == "server":  # which is not trusted, whatever it says
        assert findings == []
    else:
        assert findings == ["countersigned.json is not signed by the server's key: it was changed"]


def test_every_bit_of_a_receipt_counts(signed: Signed) -> None:
    path = signed.log / COUNTERSIGNED_FILE
    sound, content = read_countersignature(path), path.read_bytes()
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        verdict = verify(signed.log, server=signed.server)
        if verdict.intact:  # a space, or the server's key, which is not trusted
            found = read_countersignature(path)
            assert dataclasses.replace(found, server=sound.server) == sound


def test_the_receipt_of_another_robot_is_refused(signed: Signed, tmp_path: Path) -> None:
    key = begun(tmp_path / "other")
    with AuditLog(tmp_path / "other") as log:
        for _ in range(6):
            log.append("guard", {})
        log.checkpoint()
        foreign = countersign(signed.folder, tmp_path / "other", log.public, key)
        with pytest.raises(UserError, match="no checkpoint of this robot|not signed by the robot"):
            countersign(signed.folder, signed.log, log.public)
    foreign.write(tmp_path / "foreign.json")
    with pytest.raises(UserError, match="is of another log, or record 7 of .* was changed"):
        store_receipt(signed.log, tmp_path / "foreign.json", signed.server)
    foreign.write(signed.log / COUNTERSIGNED_FILE)  # as root may do all the same
    findings = verify(signed.log, server=signed.server).findings
    assert findings == ["record 7 is not the one that the server has seen"]


def test_a_receipt_of_another_server_or_of_before_is_refused(
    signed: Signed, tmp_path: Path
) -> None:
    other = begin_server(tmp_path / "other")
    receipt = tmp_path / "receipt.json"
    countersign(tmp_path / "other", signed.log, signed.robot).write(receipt)
    with pytest.raises(UserError, match="is not signed by the server's key"):
        store_receipt(signed.log, receipt, signed.server)
    assert verify(signed.log, server=other).findings
    shutil.copy(kept_receipt(signed.folder, signed.robot), receipt)
    with AuditLog(signed.log) as log:
        log.checkpoint()
    countersign(signed.folder, signed.log, signed.robot)
    store_receipt(signed.log, kept_receipt(signed.folder, signed.robot), signed.server)
    with pytest.raises(UserError, match="is older than the receipt in"):
        store_receipt(signed.log, receipt, signed.server)


def test_a_log_that_was_changed_is_not_countersigned(signed: Signed, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    begin_server(fresh)
    lines = lines_of(signed.log)
    rewrite(signed.log, [*lines[:3], *lines[4:]])
    with pytest.raises(UserError, match="is not countersigned: record 3 is missing"):
        countersign(fresh, signed.log, signed.robot)
    assert not kept_receipt(fresh, signed.robot).exists()


def test_a_robot_and_a_server_work_with_files_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def said(*words: str, code: int = 0) -> str:
        assert sim2edge(["audit", *words]) == code
        out, err = capsys.readouterr()
        return out + err

    robot = said("new", "log", "--key", "first.key").split()[-1]
    server = said("server", "central").split()[-1]
    with AuditLog(Path("log")) as log:
        log.append("promoted", {})
        log.checkpoint()
        Path("copy").mkdir()
        shutil.copy(file_of(Path("log")), "copy")
        countersigning = ("countersign", "copy", "--server", "central", "--public", robot)
        assert "up to the checkpoint 2 are countersigned" in said(
            *countersigning, "--write-receipt", "receipt.json"
        )
        given = ("--receipt", "receipt.json", "--server-public", server)
        assert "signed all records up to 2" in said("accept", "log", *given)  # while it is written
    shown = said("verify", "log", "--key", "first.key", "--server-public", server)
    assert "the server has signed up to record 2 on 20" in shown
    assert "whether the server" in said("verify", "log")
    rewrite(Path("log"), lines_of(Path("log"))[:2])
    (Path("log") / KEY_FILE).unlink()
    missing = "CHANGED: record 2 is missing: the server has seen more"
    assert missing in said("verify", "log", "--server-public", server, code=1)
    assert "receipt.json has seen more" in said("verify", "log", *given, code=1)
    for words, why in (
        (("server", "central"), "holds a signing key already"),
        (("countersign", "copy"), "--server is missing"),
        (("countersign", "copy", "--server", "central"), "--public is missing"),
        (("countersign", "copy", "--server", "central", "--public", "x"), "is no public key"),
        (("countersign", "copy", "--server", "copy", "--public", robot), "signing key"),
        (("accept", "log"), "'accept' needs --receipt and --server-public"),
        (("accept", "log", "--receipt", "first.key", "--server-public", server), "receipt"),
        (("verify", "log", "--receipt", "receipt.json", "--server-public", robot), "not signed by"),
    ):
        shown = said(*words, code=2)
        assert why in shown, shown
        assert shown.count("\n") == 1
