"""A task on one screen: the end of `run`, and `tasks show`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.lines import Line, Span, line, table
from ai_orchestrator.cli.terminal import clean, clean_line
from ai_orchestrator.cli.timeline import STATE_STYLE, STEP_STYLE, finding, verifier_end
from ai_orchestrator.model.ids import short_id
from ai_orchestrator.model.review import FindingState
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.step_names import step_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from ai_orchestrator.model.review import LedgerEntry, VerifierResult
    from ai_orchestrator.model.task import AttemptWork, StepView, TaskSummary, TaskView

TITLE_CHARS = 60
LEAST_TITLE_CHARS = 12
"""Less of a title beside the other columns says nothing; a guess."""


def ending(
    view: TaskView, *, told: Collection[str] = (), is_reason_told: bool = False
) -> list[Line]:
    """What came out: state, why, commit, branch, findings, cost, and notes.

    Neither notes that were `told` before nor the reason, where the last line before gave it.
    """
    summary = view.summary
    rows: list[tuple[str, str]] = []
    if view.final_commit is not None:
        rows.append(("commit", _commit(view)))
        rows.append(("branch", _branch(view)))
    rows += [("findings", _counts(view.findings))] if view.findings else []
    rows.append(("spent", figures.usage(summary.usage)))
    state = state_line(summary, has_reason=not is_reason_told)
    return [state, *_facts(rows), *_notes(view, told)]


def state_line(summary: TaskSummary, *, has_reason: bool = True) -> Line:
    """`succeeded (approved verified): the reason`."""
    outcome = f" ({summary.outcome.value.replace('_', ' ')})" if summary.outcome else ""
    name = summary.state.value.replace("_", " ")
    reason = f": {clean_line(summary.reason)}" if summary.reason and has_reason else ""
    return line(Span(f"{name}{outcome}", STATE_STYLE.get(summary.state, "strong")), reason)


def next_words(view: TaskView) -> list[tuple[str, ...]]:
    """The commands that make sense now, as words after the program's name."""
    short = short_id(view.summary.id)
    state = view.summary.state
    words: list[tuple[str, ...]] = []
    if state is TaskState.CANCELLING:
        return [("tasks", "watch", short)]
    if not state.is_final:
        return [("tasks", "watch", short), ("tasks", "cancel", short)]
    if view.final_commit is not None:
        words.append(("tasks", "diff", short))
        words += [] if view.is_applied else [("tasks", "apply", short)]
    else:
        words += _kept_words(view, short)
    if state is not TaskState.SUCCEEDED:
        words += _after_failure(view, short)
    return words or [("tasks", "show", short)]


def _kept_words(view: TaskView, short: str) -> list[tuple[str, ...]]:
    """The last work that another attempt has left, where this one has none."""
    left = [str(one.attempt) for one in view.kept_work if not one.is_applied][-1:]
    return [("tasks", verb, short, "--attempt", one) for one in left for verb in ("diff", "apply")]


def _after_failure(view: TaskView, short: str) -> list[tuple[str, ...]]:
    """Where the cause is to be seen: with the findings, on the machine, or in what agents said."""
    outcome = view.summary.outcome
    retry = ("tasks", "retry", short)
    if outcome is OutcomeCode.REVIEW_DELIVERED:
        return [("tasks", "show", short)]
    if outcome is OutcomeCode.NO_AGENT:
        return [("agents",), ("doctor",), retry]
    if not any(step.agent for step in view.steps):
        return [("tasks", "show", short), ("doctor",), retry]
    return [("tasks", "logs", short), retry]


def whole(view: TaskView, now: datetime) -> list[Line]:
    """Everything that is known of a task, for `tasks show`."""
    summary = view.summary
    base = figures.short_commit(view.base_commit) if view.base_commit else "not known yet"
    facts = _facts(
        [
            ("task", short_id(summary.id)),
            ("workflow", summary.workflow),
            ("repository", f"{summary.repository} at {base}"),
            ("created", f"{summary.created_at:%Y-%m-%d %H:%M:%S} UTC by {summary.principal}"),
            ("attempt", str(summary.task_attempt)),
        ]
    )
    return [
        line(Span(clean_line(summary.title), "strong")),
        *facts,
        *_section("steps", _steps(view.steps, now)),
        *_section("verifiers", _verifiers(view.steps)),
        *_section("findings", [line("  ", *finding(entry)) for entry in view.findings]),
        *_section("kept work", [line(f"  {_kept(one)}") for one in view.kept_work]),
        line(),
        *ending(view),
    ]


def listing(tasks: Sequence[TaskSummary], now: datetime, columns: int | None = None) -> list[Line]:
    """One line per task, its title cut to the columns; where they are too few, a title of its own.

    `columns` None: there is no end of a line.
    """
    head = [Span(name, "dim") for name in ("TASK", "STATE", "AGE", "WORKFLOW", "COST", "TITLE")]
    rows = [_row(task, now) for task in tasks]
    if columns is None:
        return table([head, *rows])
    aligned = table([[*row[:-1], Span("")] for row in (head, *rows)])
    room = columns - max(sum(len(span.text) for span in one) for one in aligned)
    if room >= LEAST_TITLE_CHARS:
        return table([head, *([*row[:-1], _cut_span(row[-1], room)] for row in rows)])
    return [part for row in rows for part in _stacked(row, columns)]


def _stacked(row: Sequence[Span], columns: int) -> list[Line]:
    """A task in a line of facts and one of its title."""
    facts = [piece for span in row[:-1] for piece in (span, Span("  "))]
    return [line(*facts[:-1]), line("  ", _cut_span(row[-1], columns - 2))]


def _cut_span(span: Span, limit: int) -> Span:
    return Span(_cut(span.text, limit), span.style)


def _row(task: TaskSummary, now: datetime) -> list[Span]:
    state = task.state.value.replace("_", " ")
    if task.state is TaskState.FAILED and task.outcome is not None:
        state = f"failed: {task.outcome.value.replace('_', ' ')}"
    return [
        Span(short_id(task.id), "strong"),
        Span(state, STATE_STYLE.get(task.state, "accent")),
        Span(figures.age(task.created_at, now)),
        Span(clean_line(task.workflow)),
        Span(figures.cost(task.usage)),
        Span(_cut(clean_line(task.title), TITLE_CHARS)),
    ]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _facts(rows: Sequence[tuple[str, str]]) -> list[Line]:
    return [line(Span(f"  {name:<11}", "dim"), clean_line(value)) for name, value in rows]


def _section(title: str, lines: Sequence[Line]) -> list[Line]:
    return [line(), line(Span(title, "strong")), *lines] if lines else []


def _notes(view: TaskView, told: Collection[str]) -> list[Line]:
    left = [note for note in view.notes if note not in told]
    return [line(Span("  note       ", "dim"), clean_line(note)) for note in left]


def _commit(view: TaskView) -> str:
    verified = ", its tree was verified" if view.verified_tree else ""
    return f"{figures.short_commit(view.final_commit or '')}{verified}"


def _kept(work: AttemptWork) -> str:
    verified = "its tree was verified, " if work.is_verified else ""
    return f"attempt {work.attempt}: {verified}{'' if work.is_applied else 'not '}applied"


def _branch(view: TaskView) -> str:
    return f"{view.branch} ({'applied' if view.is_applied else 'made by `tasks apply`'})"


def _counts(entries: Sequence[LedgerEntry]) -> str:
    told = []
    for state in FindingState:
        count = sum(entry.state is state for entry in entries)
        told += [f"{count} {state.value}"] if count else []
    return ", ".join(told)


def _steps(steps: Sequence[StepView], now: datetime) -> list[Line]:
    if not steps:
        return []
    return [line("  ", *row) for row in table([_step_row(step, now) for step in steps])]


def _step_row(step: StepView, now: datetime) -> list[Span]:
    took = ((step.finished_at or now) - step.started_at).total_seconds()
    who = step.agent or step.kind
    commit = figures.short_commit(step.commit) if step.commit and step.is_changed else "no change"
    return [
        Span(step_name(step.step, step.iteration, step.attempt)),
        Span(f"{who} ({step.model})" if step.model else who, "accent"),
        Span(step.outcome, STEP_STYLE.get(step.outcome, "plain")),
        Span(figures.duration(took), "dim"),
        Span(commit if step.outcome != "running" else ""),
        Span(clean_line(step.reason)),
    ]


def _verifiers(steps: Sequence[StepView]) -> list[Line]:
    latest: dict[str, VerifierResult] = {}
    for step in steps:
        latest.update((result.name, result) for result in step.verifiers)
    lines: list[Line] = []
    for result in latest.values():
        mark = Span("green", "good") if result.is_green else Span("red", "bad")
        lines.append(line("  ", Span(result.name), " ", mark, f" ({verifier_end(result)})"))
        if not result.is_green:
            lines += [line(Span(f"    | {text}", "dim")) for text in _tail(result.output)]
    return lines


def _tail(output: str) -> list[str]:
    return [text for text in clean(output).rstrip().split("\n")[-12:] if text.strip()]
