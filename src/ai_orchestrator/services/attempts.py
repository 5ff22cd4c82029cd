"""Earlier attempts of a task, and broken-off ones: what they left, and a task as of one of them.

Used by the task service and by the commands that read the files themselves. Pure but for `read`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.model.task import AttemptWork, TaskView
from ai_orchestrator.workspace.layout import DataLayout
from ai_orchestrator.workspace.recorded_work import RecordedWork, recorded_work


def read(layout: DataLayout, task_id: str) -> tuple[RecordedWork, ...]:
    """The attempts that have work; none where the repository is gone."""
    return recorded_work(layout.attempt(task_id, 1).repository, task_id)


def may_have_more(view: TaskView) -> bool:
    """There may be work that the view's `final_commit` does not show."""
    return view.summary.task_attempt > 1 or (
        view.summary.state.is_final and view.final_commit is None
    )


def with_kept_work(view: TaskView, works: Sequence[RecordedWork]) -> TaskView:
    """The view with what `final_commit` does not show; an attempt that still runs is left out."""
    current = view.summary.task_attempt
    is_last_told = view.final_commit is not None or not view.summary.state.is_final
    kept = tuple(
        AttemptWork(
            work.attempt,
            is_verified=work.verified_tree is not None,
            is_applied=work.is_applied or (work.attempt == current and view.is_applied),
        )
        for work in works
        if not (work.attempt == current and is_last_told)
    )
    return msgspec.structs.replace(view, kept_work=kept)


def as_of(view: TaskView, works: Sequence[RecordedWork], attempt: int) -> TaskView:
    """The task as that attempt left it; `view` has its steps. Raises `NotFoundError`.

    `view` is of the whole task otherwise, with its kept work.
    """
    summary = view.summary
    if attempt == summary.task_attempt and view.final_commit is not None:
        return view
    kept = {one.attempt: one for one in view.kept_work}
    found = {work.attempt: work for work in works if work.attempt in kept}.get(attempt)
    if found is None:
        raise NotFoundError(
            f"task {summary.id}: attempt {attempt} has no work.", hint=attempts_named(view)
        )
    return msgspec.structs.replace(
        view,
        summary=msgspec.structs.replace(summary, task_attempt=attempt),
        final_commit=found.commit,
        verified_tree=found.verified_tree,
        is_applied=kept[attempt].is_applied,
    )


def unapplied(view: TaskView) -> list[AttemptWork]:
    """The kept work that has not reached its repository."""
    return [one for one in view.kept_work if not one.is_applied]


def attempts_named(view: TaskView) -> str:
    """Sentences that say which attempts have work and how to name them; empty for none."""
    return " ".join(
        f"Attempt {one.attempt} has {'verified ' if one.is_verified else ''}work: "
        f"add --attempt {one.attempt}."
        for one in view.kept_work
    )
