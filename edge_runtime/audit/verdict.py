"""Holds what a verification of an audit log has found."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Receipt:
    """Holds what somebody else has seen of a log: the number of a record, and its hash."""

    number: int
    hash: str


@dataclass
class Verdict:
    """Says what was found in a log."""

    records: int = 0  # lines that hold one
    signed: int = 0  # records before the last checkpoint with a signature of the trusted key
    countersigned: str = ""  # up to which record a server has signed, and when
    last: Receipt | None = None  # of the last sound record
    findings: list[str] = field(default_factory=list)  # a line for each change
    unchecked: list[str] = field(default_factory=list)  # what could not be looked for, and why
    remarks: list[str] = field(default_factory=list)  # what is unusual, but no change

    @property
    def intact(self) -> bool:
        """Returns whether nothing was changed, as far as it could be looked for."""
        return not self.findings

    def find(self, what: str) -> None:
        """Adds a change to the findings."""
        self.findings.append(what)
