"""What the durable function keeps in its journal: versioned, small, references instead of bulk.

A decoder for `v - 1` stays for one minor release; nothing here may change its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import msgspec

from ai_orchestrator.model.agent import ErrorKind, Usage
from ai_orchestrator.model.review import Finding, Verdict, Verifier, VerifierResult
from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.review.verdict import Rejection

T = TypeVar("T")
VALUE_VERSION = 1
EPOCH = 1
"""Raised only when the durable function's sequence of steps changes."""


class Stopped(msgspec.Struct, frozen=True):
    """A reason to end the task that was found outside of the stop rule."""

    outcome: OutcomeCode
    reason: str


class Prepared(msgspec.Struct, frozen=True):
    """The tree stands, the verifiers are known and were run on the base."""

    base_commit: str
    base_tree: str
    verifiers: tuple[Verifier, ...]
    baseline: tuple[VerifierResult, ...] = ()
    ports: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: Stopped | None = None
    began_at: float = 0.0
    """When the work on it began: what it took counts as the task's time."""
    at: float = 0.0
    """When it was recorded, seconds since the epoch; times in the journal replay alike."""
    v: int = VALUE_VERSION

    @property
    def port_variables(self) -> dict[str, str]:
        """PORT_0.. and PORT, for all that runs in the task's trees."""
        return port_variables(self.ports)


class StepDone(msgspec.Struct, frozen=True):
    """One step of one round is finished, by whichever attempt."""

    step: str
    iteration: int
    attempt: int
    outcome: Literal["succeeded", "failed"]
    commit: str
    tree: str
    is_changed: bool = False
    error_kind: ErrorKind | None = None
    reason: str = ""
    reset_s: float | None = None
    """Seconds until a limit lifts, as the vendor said when the attempt ended."""
    session: str | None = None
    usage: Usage = Usage()
    verdict: Verdict | None = None
    is_approval: bool = False
    """The verdict lets the work pass, by the workflow's bar."""
    verdict_note: str = ""
    """What is odd about the verdict, or why the answer is none."""
    suggestions: tuple[Finding, ...] | None = None
    """None where none were asked for, or the answer could not be read."""
    rejections: tuple[Rejection, ...] = ()
    summary: str = ""
    """The end of what the agent said, for the next prompt; at most 4,000 characters."""
    at: float = 0.0
    v: int = VALUE_VERSION


class Checked(msgspec.Struct, frozen=True):
    """The verifiers ran on a commit."""

    step: str
    iteration: int
    commit: str
    tree: str
    results: tuple[VerifierResult, ...]
    findings: tuple[Finding, ...] = ()
    """What the orchestrator itself found: protected files touched, tests deleted or skipped."""
    verifiers: tuple[Verifier, ...] = ()
    """Set when they were detected only now, on the first commit of an empty base."""
    at: float = 0.0
    v: int = VALUE_VERSION


class Closed(msgspec.Struct, frozen=True):
    """The task attempt's end is written."""

    outcome: OutcomeCode
    v: int = VALUE_VERSION


def port_variables(ports: Sequence[int]) -> dict[str, str]:
    """PORT_0.. and PORT, the first of them; none where no port was asked for."""
    numbered = {f"PORT_{index}": str(port) for index, port in enumerate(ports)}
    return numbered | ({"PORT": str(ports[0])} if ports else {})


def cleaned(value: T, clean: Callable[[T], T]) -> T:
    """The value as the journal may keep it: `clean`, but for the commands that are yet to run."""
    kept = clean(value)
    if isinstance(value, Prepared | Checked):
        return msgspec.structs.replace(kept, verifiers=value.verifiers)  # type: ignore[type-var]
    return kept
