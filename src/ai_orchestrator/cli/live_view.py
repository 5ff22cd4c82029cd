"""What is known of a task after some of its events: a pure fold, without drawing.

`reduce` is called by the live view for every event; `screen` draws the value. Everything in it is
bounded: a task may run for hours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, assert_never

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    AgentQuestionData,
    AgentRetryData,
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    AgentWaitData,
    BudgetChangedData,
    CommitMadeData,
    FindingChangedData,
    QuotaChangedData,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    UnknownData,
    VerifierFinishedData,
    WorkerChangedData,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal

    from ai_orchestrator.model.events import Event
    from ai_orchestrator.model.review import LedgerEntry, VerifierResult
    from ai_orchestrator.model.states import OutcomeCode, TaskState

SAID_LIMIT = 40
SAID_LIMIT_CHARS = 2_000
STEPS_LIMIT = 200
FINDINGS_LIMIT = 500
_UNMEASURED = Usage()


@dataclass(frozen=True, slots=True)
class StepLine:
    """One execution of a step."""

    step: str
    iteration: int
    attempt: int
    kind: str
    started_at: datetime
    agent: str | None = None
    model: str | None = None
    how: str = "fresh"
    outcome: Literal["running", "succeeded", "failed", "interrupted", "skipped"] = "running"
    usage: Usage = _UNMEASURED
    duration_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of what an agent said or did; `mark` is empty for text."""

    step: str
    text: str
    mark: Literal["", "start", "ok", "error"] = ""
    tool: str = ""
    is_open: bool = False
    """More of this text may come."""


@dataclass(frozen=True, slots=True)
class LiveView:
    """A task as its events tell it."""

    last_seq: int = 0
    task_attempt: int = 1
    state: TaskState | None = None
    outcome: OutcomeCode | None = None
    reason: str = ""
    started_at: datetime | None = None
    last_at: datetime | None = None
    steps: tuple[StepLine, ...] = ()
    said: tuple[Said, ...] = ()
    verifiers: tuple[VerifierResult, ...] = ()
    """The last result of each, in the order of their first."""
    findings: tuple[LedgerEntry, ...] = ()
    usage: Usage = _UNMEASURED
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    notice: str = ""
    """A limit, a retry or a question that stands in the way now."""

    @property
    def running(self) -> tuple[StepLine, ...]:
        """The executions that have not ended."""
        return tuple(step for step in self.steps if step.outcome == "running")


def reduce(view: LiveView, event: Event) -> LiveView:
    """The view after the event. An event that it has seen changes nothing."""
    if event.seq <= view.last_seq:
        return view
    if event.task_attempt > view.task_attempt:
        view = LiveView(task_attempt=event.task_attempt, usage=view.usage)  # the whole task's
    elif event.task_attempt < view.task_attempt:
        return replace(view, last_seq=event.seq)
    view = replace(
        view,
        last_seq=event.seq,
        started_at=view.started_at or event.ts,
        last_at=event.ts,
    )
    return _applied(view, event)


def _applied(view: LiveView, event: Event) -> LiveView:  # noqa: C901, PLR0911, PLR0912  # a line per type
    match event.data:
        case TaskStateData() as data:
            return _state(view, data)
        case StepStartedData() as data:
            return _started(view, event, data)
        case StepFinishedData() as data:
            return _finished(view, event, data)
        case AgentTextData() as data:
            return _text(view, event, data)
        case AgentToolData() as data:
            return _tool(view, event, data)
        case AgentUsageData() as data:
            return _charged(view, event, data.usage)
        case AgentRetryData() as data:
            return replace(view, notice=f"trying again: {data.message}")
        case AgentWaitData() as data:
            waits = f"waits for its turn with account {data.account}"
            return replace(view, notice="" if data.is_over else waits)
        case AgentQuestionData() as data:
            return replace(view, notice=f"asks: {data.question}")
        case VerifierFinishedData() as data:
            return replace(view, verifiers=_put_verifier(view.verifiers, data.result))
        case FindingChangedData() as data:
            return replace(view, findings=_put_finding(view.findings, data.entry))
        case BudgetChangedData() as data:
            return replace(
                view,
                usage=data.usage,
                max_tokens=data.max_tokens,
                max_cost_usd=data.max_cost_usd,
            )
        case QuotaChangedData() as data:
            return replace(view, notice=_quota(data))
        case CommitMadeData() | WorkerChangedData() | UnknownData():
            return view
        case _ as never:
            assert_never(never)


def _state(view: LiveView, data: TaskStateData) -> LiveView:
    steps = view.steps
    if data.state.is_final:
        steps = tuple(
            replace(step, outcome="interrupted") if step.outcome == "running" else step
            for step in steps
        )
    notice = view.notice if data.state.value.startswith("waiting") else ""
    return replace(
        view,
        state=data.state,
        outcome=data.outcome,
        reason=data.reason,
        steps=steps,
        notice=notice,
    )


def _started(view: LiveView, event: Event, data: StepStartedData) -> LiveView:
    step = StepLine(
        step=event.step or "",
        iteration=event.iteration or 1,
        attempt=event.attempt or 1,
        kind=data.kind,
        started_at=event.ts,
        agent=data.agent,
        model=data.model,
        how=data.how,
    )
    others = tuple(other for other in view.steps if _key(other) != _key(step))
    return replace(view, steps=(*others, step)[-STEPS_LIMIT:], notice="")


def _finished(view: LiveView, event: Event, data: StepFinishedData) -> LiveView:
    view = _charged(view, event, data.usage)
    if any(step.kind == "agent" for step in view.steps if _key(step) == _event_key(event)):
        view = replace(view, usage=view.usage.plus(_lacking(data.usage.as_ended())))
    return _with_step(
        view,
        event,
        lambda step: replace(
            step, outcome=data.outcome, reason=data.reason, duration_s=data.duration_s
        ),
    )


def _charged(view: LiveView, event: Event, usage: Usage) -> LiveView:
    """`usage` is cumulative within the attempt: the task is charged with what came on top."""
    before = next((step.usage for step in view.steps if _key(step) == _event_key(event)), None)
    if before is None or usage == _UNMEASURED:
        return view
    total = view.usage.plus(_beyond(usage, before))
    return _with_step(
        replace(view, usage=total), event, lambda step: replace(step, usage=_later(usage, before))
    )


def _lacking(ended: Usage) -> Usage:
    """No figure, only whether there is one that was not told."""
    return Usage(is_tokens_whole=ended.is_tokens_whole, is_cost_whole=ended.is_cost_whole)


def _beyond(now: Usage, before: Usage) -> Usage:
    return Usage(
        _more(now.input_tokens, before.input_tokens),
        _more(now.output_tokens, before.output_tokens),
        _more(now.cached_tokens, before.cached_tokens),
        _more_money(now.cost_usd, before.cost_usd),
    )


def _more(now: int | None, before: int | None) -> int | None:
    return None if now is None else max(now - (before or 0), 0)


def _more_money(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    return now if now is None or before is None else max(now - before, now * 0)


def _later(now: Usage, before: Usage) -> Usage:
    """What was measured once stays measured."""
    return Usage(
        before.input_tokens if now.input_tokens is None else now.input_tokens,
        before.output_tokens if now.output_tokens is None else now.output_tokens,
        before.cached_tokens if now.cached_tokens is None else now.cached_tokens,
        before.cost_usd if now.cost_usd is None else now.cost_usd,
    )


def _text(view: LiveView, event: Event, data: AgentTextData) -> LiveView:
    step = event.step or ""
    last = view.said[-1] if view.said else None
    if data.is_delta and last is not None and last.is_open and last.step == step:
        joined = (last.text + data.text)[-SAID_LIMIT_CHARS:]
        return replace(view, said=(*view.said[:-1], replace(last, text=joined)))
    piece = Said(step, data.text[-SAID_LIMIT_CHARS:], is_open=data.is_delta)
    return replace(view, said=(*view.said, piece)[-SAID_LIMIT:])


def _tool(view: LiveView, event: Event, data: AgentToolData) -> LiveView:
    if data.phase == "ok":
        return view
    piece = Said(event.step or "", data.summary[-SAID_LIMIT_CHARS:], data.phase, data.name)
    return replace(view, said=(*view.said, piece)[-SAID_LIMIT:])


def _put_verifier(
    results: tuple[VerifierResult, ...], new: VerifierResult
) -> tuple[VerifierResult, ...]:
    if any(result.name == new.name for result in results):
        return tuple(new if result.name == new.name else result for result in results)
    return (*results, new)


def _put_finding(entries: tuple[LedgerEntry, ...], new: LedgerEntry) -> tuple[LedgerEntry, ...]:
    if any(entry.fingerprint == new.fingerprint for entry in entries):
        return tuple(new if entry.fingerprint == new.fingerprint else entry for entry in entries)
    return (*entries, new)[-FINDINGS_LIMIT:]


def _quota(data: QuotaChangedData) -> str:
    if data.resets_at is None and not data.message:
        return ""
    until = f", until {data.resets_at:%H:%M} UTC" if data.resets_at else ""
    account = f" (account {data.account})" if data.account else ""
    return f"{data.agent}{account} met a limit{until}. {data.message}".rstrip()


Key = tuple[str, int, int]


def _key(step: StepLine) -> Key:
    return (step.step, step.iteration, step.attempt)


def _event_key(event: Event) -> Key:
    return (event.step or "", event.iteration or 1, event.attempt or 1)


def _with_step(view: LiveView, event: Event, change: Callable[[StepLine], StepLine]) -> LiveView:
    key = _event_key(event)
    steps = tuple(change(step) if _key(step) == key else step for step in view.steps)
    return replace(view, steps=steps)
