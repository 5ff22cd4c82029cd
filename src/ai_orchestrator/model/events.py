"""The event log's vocabulary: one envelope, a closed union of types, additive only.

Readers skip types they do not know (`UnknownData`). `seq` is dense per task.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import LedgerEntry, VerifierResult
from ai_orchestrator.model.states import OutcomeCode, TaskState

EVENT_LIMIT_BYTES = 16_384
VERSION = 1


class TaskStateData(msgspec.Struct, frozen=True):
    """The task changed its state."""

    type: ClassVar[str] = "task.state"
    state: TaskState
    outcome: OutcomeCode | None = None
    reason: str = ""


class StepStartedData(msgspec.Struct, frozen=True):
    """An execution of a step began. `how` says where from: fresh, resumed or restarted."""

    type: ClassVar[str] = "step.started"
    kind: Literal["agent", "script", "verify", "prepare"]
    agent: str | None = None
    model: str | None = None
    account: str | None = None
    how: Literal["fresh", "continued", "resumed", "restarted"] = "fresh"
    note: str = ""


class StepFinishedData(msgspec.Struct, frozen=True):
    """An execution of a step is finished; written in one transaction with its attempt row."""

    type: ClassVar[str] = "step.finished"
    outcome: Literal["succeeded", "failed", "interrupted", "skipped"]
    reason: str = ""
    commit: str | None = None
    is_changed: bool = False
    usage: Usage = Usage()
    duration_s: float = 0.0


class AgentTextData(msgspec.Struct, frozen=True):
    """What an agent said; deltas are joined over at least 100 ms."""

    type: ClassVar[str] = "agent.text"
    text: str
    is_delta: bool = False


class AgentToolData(msgspec.Struct, frozen=True):
    """A tool call of an agent."""

    type: ClassVar[str] = "agent.tool"
    id: str
    name: str
    phase: Literal["start", "ok", "error"]
    summary: str = ""


class AgentUsageData(msgspec.Struct, frozen=True):
    """Consumption of this attempt so far."""

    type: ClassVar[str] = "agent.usage"
    usage: Usage
    turns: int | None = None


class AgentRetryData(msgspec.Struct, frozen=True):
    """The agent, or the orchestrator for it, will try again."""

    type: ClassVar[str] = "agent.retry"
    message: str
    status: int | None = None
    delay_s: float | None = None


class AgentWaitData(msgspec.Struct, frozen=True):
    """The agent waits for an account that serves one run at a time, or no longer does."""

    type: ClassVar[str] = "agent.wait"
    account: str
    is_over: bool = False


class AgentQuestionData(msgspec.Struct, frozen=True):
    """The agent asks a person."""

    type: ClassVar[str] = "agent.question"
    question: str


class VerifierFinishedData(msgspec.Struct, frozen=True):
    """A verifier ran. `is_baseline`: on the base commit, before any agent."""

    type: ClassVar[str] = "verifier.finished"
    result: VerifierResult
    commit: str
    is_baseline: bool = False


class FindingChangedData(msgspec.Struct, frozen=True):
    """The ledger changed one entry."""

    type: ClassVar[str] = "finding.changed"
    entry: LedgerEntry


class CommitMadeData(msgspec.Struct, frozen=True):
    """A commit of the orchestrator."""

    type: ClassVar[str] = "commit.made"
    commit: str
    ref: str
    files: int
    insertions: int
    deletions: int


class BudgetChangedData(msgspec.Struct, frozen=True):
    """Spend of the whole task so far, against its limits.

    The log puts the sum of all executions in, as of the transaction that ends this one.
    """

    type: ClassVar[str] = "budget.changed"
    usage: Usage
    max_tokens: int | None = None
    max_cost_usd: float | None = None


class QuotaChangedData(msgspec.Struct, frozen=True):
    """An account met a limit, or it lifted."""

    type: ClassVar[str] = "quota.changed"
    agent: str
    account: str | None
    resets_at: datetime | None
    message: str = ""


class WorkerChangedData(msgspec.Struct, frozen=True):
    """The task went on under another worker or release."""

    type: ClassVar[str] = "worker.changed"
    release: str
    reason: str


class UnknownData(msgspec.Struct, frozen=True):
    """Data of a type this release does not know."""

    type: ClassVar[str] = "unknown"
    raw: dict[str, Any]


EventData = (
    TaskStateData
    | StepStartedData
    | StepFinishedData
    | AgentTextData
    | AgentToolData
    | AgentUsageData
    | AgentRetryData
    | AgentWaitData
    | AgentQuestionData
    | VerifierFinishedData
    | FindingChangedData
    | CommitMadeData
    | BudgetChangedData
    | QuotaChangedData
    | WorkerChangedData
    | UnknownData
)

_TYPES: dict[str, type[msgspec.Struct]] = {
    cls.type: cls
    for cls in (
        TaskStateData,
        StepStartedData,
        StepFinishedData,
        AgentTextData,
        AgentToolData,
        AgentUsageData,
        AgentRetryData,
        AgentWaitData,
        AgentQuestionData,
        VerifierFinishedData,
        FindingChangedData,
        CommitMadeData,
        BudgetChangedData,
        QuotaChangedData,
        WorkerChangedData,
    )
}
EVENT_TYPES: tuple[str, ...] = tuple(_TYPES)


class NewEvent(msgspec.Struct, frozen=True):
    """An event before the log gave it its place. `id` is deterministic: a duplicate is dropped."""

    id: str
    task: str
    task_attempt: int
    data: EventData
    iteration: int | None = None
    step: str | None = None
    attempt: int | None = None


class Event(msgspec.Struct, frozen=True):
    """An event of the log. `data` is decoded by `type`."""

    seq: int
    id: str
    ts: datetime
    project: str
    task: str
    task_attempt: int
    type: str
    data: EventData
    iteration: int | None = None
    step: str | None = None
    attempt: int | None = None
    v: int = VERSION


class _Wire(msgspec.Struct, frozen=True, omit_defaults=True):
    v: int
    seq: int
    id: str
    ts: datetime
    project: str
    task: str
    task_attempt: int
    type: str
    data: msgspec.Raw
    iteration: int | None = None
    step: str | None = None
    attempt: int | None = None


_wire_decoder = msgspec.json.Decoder(_Wire)


def encode_data(data: EventData) -> bytes:
    """The data of an event as JSON."""
    return msgspec.json.encode(data.raw if isinstance(data, UnknownData) else data)


def decode_data(event_type: str, raw: bytes | msgspec.Raw) -> EventData:
    """The typed data of an event; `UnknownData` for a type of a newer release."""
    cls = _TYPES.get(event_type)
    if cls is None:
        return UnknownData(msgspec.json.decode(raw, type=dict[str, Any]))
    return msgspec.json.decode(raw, type=cls)  # type: ignore[return-value]  # values are EventData


def encode_event(event: Event) -> bytes:
    """One line of NDJSON, without the line feed."""
    return msgspec.json.encode(
        _Wire(
            v=event.v,
            seq=event.seq,
            id=event.id,
            ts=event.ts,
            project=event.project,
            task=event.task,
            task_attempt=event.task_attempt,
            type=event.type,
            data=msgspec.Raw(encode_data(event.data)),
            iteration=event.iteration,
            step=event.step,
            attempt=event.attempt,
        )
    )


def decode_event(line: bytes) -> Event:
    """An event from its JSON. Raises msgspec.DecodeError or ValidationError."""
    wire = _wire_decoder.decode(line)
    return Event(
        seq=wire.seq,
        id=wire.id,
        ts=wire.ts,
        project=wire.project,
        task=wire.task,
        task_attempt=wire.task_attempt,
        type=wire.type,
        data=decode_data(wire.type, wire.data),
        iteration=wire.iteration,
        step=wire.step,
        attempt=wire.attempt,
        v=wire.v,
    )
