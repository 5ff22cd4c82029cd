"""The texts and events that go with a finished step: commit message, timeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ai_orchestrator.model.events import (
    BudgetChangedData,
    CommitMadeData,
    FindingChangedData,
    NewEvent,
    StepFinishedData,
)
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.review import LedgerEntry
from ai_orchestrator.model.task import StepView
from ai_orchestrator.model.workflow import AgentStep, ScriptStep, WorkflowSpec
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.values import StepDone


def commit_message(key: StepKey, step: AgentStep | ScriptStep, view: StepView) -> str:
    """Subject and trailers of a step's commit."""
    trailers = {
        "AI-Orchestrator-Task": key.task,
        "AI-Orchestrator-Step": key.step,
        "AI-Orchestrator-Iteration": str(key.iteration),
        "AI-Orchestrator-Attempt": str(key.attempt),
        "AI-Orchestrator-Agent": view.agent,
        "AI-Orchestrator-Model": view.model,
        "AI-Orchestrator-Session": view.session,
    }
    subject = step.description or f"{key.step} (iteration {key.iteration})"
    lines = [f"{name}: {value}" for name, value in trailers.items() if value]
    return f"{subject}\n\n" + "\n".join(lines) + "\n"


def finishing_events(
    spec: WorkflowSpec,
    key: StepKey,
    view: StepView,
    done: StepDone,
    commit: StepCommit,
) -> tuple[NewEvent, ...]:
    """What the log is told when a step is finished."""
    started, finished = view.started_at, view.finished_at
    duration_s = (finished - started).total_seconds() if finished else 0.0
    step = [
        event_for(
            key,
            "finished",
            StepFinishedData(
                outcome=done.outcome,
                reason=done.reason or verdict_sentence(done),
                commit=done.commit,
                is_changed=done.is_changed,
                usage=done.usage,
                duration_s=duration_s,
            ),
        )
    ]
    if done.is_changed:
        step.insert(0, event_for(key, "commit", _commit_data(key, commit)))
    if view.kind == "agent":
        step.append(event_for(key, "budget", _budget_data(spec, done)))
    return tuple(step)


def verdict_sentence(done: StepDone) -> str:
    """What a reviewer said, for the timeline; empty for other steps."""
    if done.verdict is None:
        return done.verdict_note
    word = "approves" if done.is_approval else "asks for changes"
    count = len(done.verdict.findings)
    found = {0: "no finding", 1: "1 finding"}.get(count, f"{count} findings")
    return f"{word}, {found}. {done.verdict_note}".strip()


def finding_events(key: StepKey, entries: Sequence[LedgerEntry]) -> tuple[NewEvent, ...]:
    """One event per changed entry of the ledger."""
    return tuple(
        event_for(key, f"finding/{entry.fingerprint}", FindingChangedData(entry))
        for entry in entries
    )


def _commit_data(key: StepKey, commit: StepCommit) -> CommitMadeData:
    return CommitMadeData(commit.commit, key.ref, commit.files, commit.insertions, commit.deletions)


def _budget_data(spec: WorkflowSpec, done: StepDone) -> BudgetChangedData:
    """With the step's own spend: the records put in the sum over the task's rows."""
    return BudgetChangedData(
        usage=done.usage,
        max_tokens=spec.max_tokens,
        max_cost_usd=spec.max_cost_usd,
    )
