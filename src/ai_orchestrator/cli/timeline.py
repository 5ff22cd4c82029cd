"""The story of a task, one line per event: the plain view, and what scrolls above the live one.

`Timeline.feed` is deterministic and touches no stream. Agents' words and successful tool calls are
told only to those who asked for them with `-v`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.lines import Line, Span, Style, line
from ai_orchestrator.cli.terminal import clean, clean_line, first_line
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
from ai_orchestrator.model.review import FindingState, Severity
from ai_orchestrator.model.states import TaskState

if TYPE_CHECKING:
    from datetime import datetime

    from ai_orchestrator.model.events import Event
    from ai_orchestrator.model.review import LedgerEntry, VerifierResult

RED_OUTPUT_LINES = 12
TEXT_LINE_CHARS = 400
_OFFSET_CHARS = 7
_STEP_CHARS = 12
"""Room for the steps of the built-in workflows; the column grows with a longer name."""
_MOST_STEP_CHARS = 24

STATE_STYLE: dict[TaskState, Style] = {
    TaskState.SUCCEEDED: "good",
    TaskState.FAILED: "bad",
    TaskState.CANCELLED: "warn",
    TaskState.CANCELLING: "warn",
}
FINDING_STYLE: dict[FindingState, Style] = {
    FindingState.NEW: "warn",
    FindingState.RECURRING: "bad",
    FindingState.FIXED: "good",
    FindingState.REJECTED: "dim",
}
SEVERITY_STYLE: dict[Severity, Style] = {
    Severity.LOW: "dim",
    Severity.MEDIUM: "warn",
    Severity.HIGH: "bad",
    Severity.CRITICAL: "bad",
}
STEP_STYLE: dict[str, Style] = {"succeeded": "good", "failed": "bad", "interrupted": "warn"}


class Timeline:
    """Turns events into lines.

    Remembers when the task began, a half-said sentence, and how wide the column of steps is.
    """

    def __init__(self, *, is_verbose: bool) -> None:
        self._is_verbose = is_verbose
        self._began: datetime | None = None
        self._task_attempt = 1
        self._half_said = ""
        self._half_of: Event | None = None
        self._step_chars = _STEP_CHARS

    @property
    def indent(self) -> int:
        """Characters before what happened: the offset and the step."""
        return _OFFSET_CHARS + 2 + self._step_chars + 2

    def feed(self, event: Event) -> list[Line]:
        """The lines to print for the event, often none."""
        if event.task_attempt > self._task_attempt:
            return self._begin_again(event)
        if self._began is None:
            self._began = event.ts
        if isinstance(event.data, AgentTextData):
            return self._say(event, event.data) if self._is_verbose else []
        told = self._told(event)
        return [*self.flush(), *told] if told else []

    def _begin_again(self, event: Event) -> list[Line]:
        left = self.flush()
        self._began, self._task_attempt = event.ts, event.task_attempt
        return [
            *left,
            line(Span(f"task attempt {event.task_attempt}", "strong")),
            *self.feed(event),
        ]

    def flush(self) -> list[Line]:
        """What is left of a sentence that no more will come of."""
        text, event = self._half_said, self._half_of
        self._half_said, self._half_of = "", None
        return [self._line(event, _quoted(text))] if event is not None and text.strip() else []

    def _say(self, event: Event, data: AgentTextData) -> list[Line]:
        lines = []
        if self._half_of is not None and (not data.is_delta or self._half_of.step != event.step):
            lines = self.flush()
        whole, _, rest = (self._half_said + data.text).rpartition("\n")
        if not data.is_delta or len(rest) > TEXT_LINE_CHARS:
            whole, rest = f"{whole}\n{rest}", ""
        self._half_said, self._half_of = rest, event if rest else None
        said = (text for text in whole.split("\n") if text.strip())
        return [*lines, *(self._line(event, _quoted(text)) for text in said)]

    def _told(self, event: Event) -> list[Line]:  # noqa: C901, PLR0911, PLR0912  # a line per type
        match event.data:
            case TaskStateData() as data:
                return [self._line(event, *_state(data))]
            case StepStartedData() as data:
                return [self._line(event, *_started(event, data))]
            case StepFinishedData() as data:
                return [self._line(event, *_finished(data))]
            case AgentToolData() as data:
                return self._tool(event, data)
            case AgentRetryData() as data:
                return [self._line(event, Span(_retry(data), "warn"))]
            case AgentWaitData() as data:
                return [self._line(event, Span(_wait(data), "warn"))]
            case AgentQuestionData() as data:
                return [self._line(event, Span(f"asks: {clean_line(data.question)}", "warn"))]
            case VerifierFinishedData() as data:
                return self._verifier(event, data)
            case FindingChangedData() as data:
                return [self._line(event, *finding(data.entry))]
            case CommitMadeData() as data:
                return [self._line(event, _commit(data))]
            case QuotaChangedData() as data:
                return [self._line(event, Span(_quota(data), "warn"))]
            case WorkerChangedData() as data:
                return [self._line(event, f"goes on under {data.release}: {data.reason}")]
            case AgentTextData() | AgentUsageData() | BudgetChangedData() | UnknownData():
                return []
            case _ as never:
                assert_never(never)

    def _tool(self, event: Event, data: AgentToolData) -> list[Line]:
        if not self._is_verbose or data.phase == "ok":
            return []
        summary = f"{data.name} {clean_line(data.summary)}".rstrip()
        if data.phase == "error":
            return [self._line(event, Span(f"tool failed: {summary}", "warn"))]
        return [self._line(event, Span(f"tool {summary}", "accent"))]

    def _verifier(self, event: Event, data: VerifierFinishedData) -> list[Line]:
        result = data.result
        where = " on the base" if data.is_baseline else ""
        if result.is_green:
            told = Span(f"green{where}", "good"), f" ({figures.duration(result.duration_s)})"
            return [self._line(event, f"verifier {result.name} ", *told)]
        told = Span(f"red{where}", "bad"), f" ({verifier_end(result)})"
        last = clean(result.output).rstrip().split("\n")[-RED_OUTPUT_LINES:]
        output = [self._beside(Span(f"| {text}", "dim")) for text in last if text.strip()]
        return [self._line(event, f"verifier {result.name} ", *told), *output]

    def _line(self, event: Event, *pieces: str | Span) -> Line:
        began = self._began or event.ts
        offset = figures.duration((event.ts - began).total_seconds())
        label = step_label(short_step(event.step), event.iteration) if event.step else "task"
        self._step_chars = min(max(self._step_chars, len(label)), _MOST_STEP_CHARS)
        return line(
            Span(f"{offset:>{_OFFSET_CHARS}}  ", "dim"),
            Span(f"{label:<{self._step_chars}}  ", "plain" if event.step else "strong"),
            *pieces,
        )

    def _beside(self, span: Span) -> Line:
        return line(" " * self.indent, span)


def short_step(step: str) -> str:
    """The step's own name: the loop around it, or the step that it verifies, stands nearby."""
    return step.rpartition("/")[2]


def step_label(step: str, iteration: int | None) -> str:
    """`review`, or `review #2` in the second round of a loop."""
    return f"{step} #{iteration}" if iteration is not None and iteration > 1 else step


def verifier_end(result: VerifierResult) -> str:
    """`exit 1, 0.8s`, `timed out after 600s`, `killed, 3.0s`."""
    if result.is_timed_out:
        return f"timed out after {figures.duration(result.duration_s)}"
    ended = "killed" if result.code is None else f"exit {result.code}"
    return f"{ended}, {figures.duration(result.duration_s)}"


def finding(entry: LedgerEntry) -> tuple[Span, ...]:
    """`new medium calculator/core.py:12 the claim`, with the reason of a rejection."""
    found = entry.finding
    place = found.file or "whole change"
    if found.file and found.line is not None:
        place = f"{found.file}:{found.line}"
    told = (
        Span(f"{entry.state.value} ", FINDING_STYLE[entry.state]),
        Span(f"{found.severity.value} ", SEVERITY_STYLE[found.severity]),
        Span(f"{clean_line(place)} ", "accent"),
        Span(clean_line(found.claim)),
    )
    if not entry.reason:
        return told
    return (*told, Span(f" ({clean_line(entry.reason)})", "dim"))


def _quoted(text: str) -> Span:
    return Span(f"| {clean(text).rstrip()}", "dim")


def _state(data: TaskStateData) -> tuple[Span, ...]:
    name = data.state.value.replace("_", " ")
    outcome = f" ({data.outcome.value.replace('_', ' ')})" if data.outcome else ""
    reason = f": {clean_line(data.reason)}" if data.reason else ""
    return (Span(f"{name}{outcome}", STATE_STYLE.get(data.state, "plain")), Span(reason))


def _started(event: Event, data: StepStartedData) -> tuple[Span, ...]:
    who = "started" if data.agent is None else f"started: {data.agent}"
    model = f" ({data.model})" if data.model else ""
    facts: list[str] = [data.how] if data.how != "fresh" else []
    if event.attempt is not None and event.attempt > 1:
        facts.append(f"attempt {event.attempt}")
    if data.note:
        facts.append(clean_line(data.note))
    return (Span(who, "accent"), Span(model), Span("".join(f", {fact}" for fact in facts), "dim"))


def _finished(data: StepFinishedData) -> tuple[Span, ...]:
    reason = f": {first_line(data.reason)}" if data.reason else ""
    spent = "" if data.usage == Usage() else f", {figures.usage(data.usage)}"
    return (
        Span(data.outcome, STEP_STYLE.get(data.outcome, "dim")),
        Span(reason),
        Span(f" ({figures.duration(data.duration_s)}{spent})", "dim"),
    )


def _commit(data: CommitMadeData) -> str:
    stat = figures.changes(data.files, data.insertions, data.deletions)
    return f"commit {figures.short_commit(data.commit)}, {stat}"


def _retry(data: AgentRetryData) -> str:
    status = f" (HTTP {data.status})" if data.status is not None else ""
    delay = "" if data.delay_s is None else f" in {figures.duration(data.delay_s)}"
    return f"tries again{delay}: {clean_line(data.message)}{status}"


def _wait(data: AgentWaitData) -> str:
    account = clean_line(data.account)
    if data.is_over:
        return f"has its turn with account {account}"
    return f"waits for its turn with account {account}, which is in use"


def _quota(data: QuotaChangedData) -> str:
    account = f", account {data.account}" if data.account else ""
    until = "" if data.resets_at is None else f", resets at {data.resets_at:%Y-%m-%d %H:%M} UTC"
    message = f": {clean_line(data.message)}" if data.message else ""
    return f"limit of {data.agent}{account}{until}{message}"
