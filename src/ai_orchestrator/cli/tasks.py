"""`tasks`: the group, and the commands that only look."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import click

from ai_orchestrator.cli.app import (
    app_of,
    looking_backend,
    opened_backend,
    show,
    show_folded,
    show_json,
    terminal_of,
)
from ai_orchestrator.cli.interrupts import Interrupts
from ai_orchestrator.cli.lazy import Entry, LazyGroup
from ai_orchestrator.cli.lines import line
from ai_orchestrator.cli.options import (
    json_option,
    no_wait_option,
    plain_option,
    task_argument,
    verbose_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = "ai_orchestrator.cli"


class TasksGroup(LazyGroup):
    """The commands under `tasks`."""

    default_command: ClassVar[str | None] = "list"
    entries: ClassVar[Mapping[str, Entry]] = {
        "list": Entry(f"{_HERE}.tasks:list_tasks", "List tasks, newest first."),
        "show": Entry(f"{_HERE}.tasks:show_task", "Show everything about a task."),
        "watch": Entry(f"{_HERE}.tasks:watch_task", "Watch a task until it ends."),
        "logs": Entry(f"{_HERE}.task_output:logs", "Print the agents' raw output."),
        "diff": Entry(f"{_HERE}.task_output:diff", "Show what a task changed."),
        "files": Entry(f"{_HERE}.task_output:files", "List the files a task changed."),
        "apply": Entry(f"{_HERE}.task_apply:apply", "Bring a task's work into a repository."),
        "cancel": Entry(f"{_HERE}.task_changes:cancel", "Stop a task."),
        "retry": Entry(f"{_HERE}.task_changes:retry", "Run an ended task again."),
        "delete": Entry(f"{_HERE}.task_changes:delete", "Delete an ended task."),
    }


@click.group(cls=TasksGroup)
def tasks() -> None:
    """List, watch, inspect, apply and end tasks.

    Without a command: list. TASK is a task's id or its last eight characters, where unique.
    """


@click.command("list")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="At most so many.",
)
@json_option
@click.pass_context
def list_tasks(ctx: click.Context, limit: int, is_json: bool) -> int:  # noqa: FBT001
    """List tasks, newest first."""
    from ai_orchestrator.cli.summary import listing

    with looking_backend(ctx) as backend:
        summaries = backend.tasks(limit=limit)
    if is_json:
        show_json(summaries)
    elif summaries:
        columns = terminal_of(ctx).columns
        show_folded(ctx, *listing(summaries, app_of(ctx).clock.now(), columns))
    else:
        show(ctx, line('No tasks yet. Start one: ai-orchestrator run "what you want done"'))
    return 0


@click.command("show")
@task_argument
@json_option
@click.pass_context
def show_task(ctx: click.Context, task_id: str, is_json: bool) -> int:  # noqa: FBT001
    """Show everything about a task: steps, verifiers, findings, commit, cost."""
    from ai_orchestrator.cli.summary import next_words, whole
    from ai_orchestrator.cli.watching import show_next

    with looking_backend(ctx) as backend:
        view = backend.task(task_id)
    if is_json:
        show_json(view)
        return 0
    show_folded(ctx, *whole(view, app_of(ctx).clock.now()))
    show_next(ctx, *(words for words in next_words(view) if words[:2] != ("tasks", "show")))
    return 0


@click.command("watch")
@task_argument
@no_wait_option
@plain_option
@json_option
@verbose_option
@click.pass_context
def watch_task(
    ctx: click.Context,
    task_id: str,
    *,
    is_not_waiting: bool,
    is_plain: bool,
    is_json: bool,
    verbose: int,
) -> int:
    """Watch a task until it ends, from its first event on; exits as `run` does.

    Ctrl-C stops watching; the task goes on.
    """
    from ai_orchestrator.cli.watching import Watch, watch

    how = Watch(
        is_json=is_json,
        is_plain=is_plain,
        is_verbose=verbose > 0,
        is_leaving_when_it_waits=is_not_waiting,
        is_owner=False,
    )
    with Interrupts() as interrupts, opened_backend(ctx) as backend:
        return watch(ctx, backend, backend.task(task_id).summary.id, how, interrupts)
