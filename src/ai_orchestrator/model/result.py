"""The last line of `run --json`: what came out of the task, for programs.

Made by every command that waits for a task.
"""

from __future__ import annotations

import msgspec

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import LedgerEntry
from ai_orchestrator.model.states import OutcomeCode, TaskState
from ai_orchestrator.model.task import StepView, TaskView


class RunResult(msgspec.Struct, frozen=True, tag_field="type", tag="result"):
    """What `run`, `demo` and `tasks watch` print last with `--json`. Additive only."""

    task: str
    task_attempt: int
    state: TaskState
    outcome: OutcomeCode | None
    reason: str
    exit_code: int
    """What the command exits with; 0 after detaching, whatever the state."""
    is_detached: bool
    base_commit: str | None
    final_commit: str | None
    verified_tree: str | None
    branch: str
    """The branch that `apply` makes."""
    steps: tuple[StepView, ...]
    """Every execution, with its commit, in the order they started."""
    findings: tuple[LedgerEntry, ...]
    usage: Usage
    """null where unmeasured."""
    notes: tuple[str, ...]
    data_directory: str
    repository: str | None
    """The task's own bare repository with all its commits; null when on another machine."""
    source: str
    """The repository that the work started from."""
    delivered_to: str | None = None
    """The new repository that `-o` asked for, once it is there."""


def run_result(  # six facts that only their caller has
    view: TaskView,
    *,
    exit_code: int,
    is_detached: bool,
    data_directory: str,
    repository: str | None,
    delivered_to: str | None,
) -> RunResult:
    """The result as the task stands now."""
    summary = view.summary
    return RunResult(
        task=summary.id,
        task_attempt=summary.task_attempt,
        state=summary.state,
        outcome=summary.outcome,
        reason=summary.reason,
        exit_code=exit_code,
        is_detached=is_detached,
        base_commit=view.base_commit,
        final_commit=view.final_commit,
        verified_tree=view.verified_tree,
        branch=view.branch,
        steps=view.steps,
        findings=view.findings,
        usage=summary.usage,
        notes=view.notes,
        data_directory=data_directory,
        repository=repository,
        source=summary.repository,
        delivered_to=delivered_to,
    )
