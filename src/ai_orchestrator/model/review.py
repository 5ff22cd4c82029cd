"""Findings, verdicts and verifier results: what stands between "it ran" and "it is done"."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Severity(StrEnum):
    """How bad a finding is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low, rising."""
        return list(Severity).index(self)


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """One claim of a reviewer about the change. `line` is 1-based, None for a whole file."""

    severity: Severity
    claim: str
    file: str | None = None
    line: int | None = None
    evidence: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """A reviewer's answer after parsing."""

    verdict: Literal["approve", "request_changes"]
    findings: tuple[Finding, ...] = ()

    @property
    def is_approval(self) -> bool:
        """The reviewer approves; findings below the bar may still be listed."""
        return self.verdict == "approve"


class FindingState(StrEnum):
    """What the ledger knows of a finding."""

    NEW = "new"
    RECURRING = "recurring"
    FIXED = "fixed"
    REJECTED = "rejected"


class LedgerEntry(msgspec.Struct, frozen=True):
    """A finding over the rounds of a loop."""

    fingerprint: str
    finding: Finding
    state: FindingState
    source: str
    """Step path of the reviewer, or `verifiers` for what the orchestrator itself found."""
    first_iteration: int
    last_iteration: int
    """The last round in which it was raised."""
    times_raised: int = 1
    reason: str = ""
    """Why the implementer rejected it; empty otherwise."""

    @property
    def is_open(self) -> bool:
        """Somebody still has to act on it."""
        return self.state in (FindingState.NEW, FindingState.RECURRING)


class Verifier(msgspec.Struct, frozen=True):
    """A frozen command whose exit code says whether the work is done."""

    name: str
    argv: tuple[str, ...]
    timeout_s: float = 600.0
    network: bool = False
    is_detected: bool = False
    """Found by looking at the repository, not written in the workflow."""


class VerifierResult(msgspec.Struct, frozen=True):
    """One run of one verifier on one commit."""

    name: str
    argv: tuple[str, ...]
    code: int | None
    """Exit status; None when a signal or the time limit ended it."""
    is_timed_out: bool
    duration_s: float
    output: str
    """The end of its output, at most 8,000 characters, redacted."""
    artefact: str | None = None
    """Digest of the whole output where it is longer."""

    @property
    def is_green(self) -> bool:
        """It exited with status 0."""
        return self.code == 0
