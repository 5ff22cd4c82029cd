"""`tasks cancel`, `tasks retry`, `tasks delete`: commands that change a task."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import click

from ai_orchestrator.cli.app import opened_backend, show, show_json
from ai_orchestrator.cli.following import Ending
from ai_orchestrator.cli.interrupts import Interrupts
from ai_orchestrator.cli.lines import line
from ai_orchestrator.cli.options import (
    force_option,
    json_option,
    plain_option,
    task_argument,
    verbose_option,
)


@click.command()
@task_argument
@json_option
@click.pass_context
def cancel(ctx: click.Context, task_id: str, is_json: bool) -> int:  # noqa: FBT001
    """Stop a task and every process of it. What it has done so far stays."""
    from ai_orchestrator.cli.summary import next_words, state_line
    from ai_orchestrator.cli.watching import show_next
    from ai_orchestrator.model.ids import short_id

    with opened_backend(ctx) as backend:
        view = backend.cancel(task_id)
    if is_json:
        show_json(view)
        return 0
    show(ctx, line(f"task {short_id(view.summary.id)} ", *state_line(view.summary)))
    show_next(ctx, *next_words(view))
    return 0


@click.command()
@task_argument
@click.option("--watch", "is_watching", is_flag=True, help="Watch it as `run` does.")
@plain_option
@json_option
@verbose_option
@click.pass_context
def retry(
    ctx: click.Context,
    task_id: str,
    *,
    is_watching: bool,
    is_plain: bool,
    is_json: bool,
    verbose: int,
) -> int:
    """Run an ended task again, from its start, under the same id."""
    from ai_orchestrator.cli.watching import Watch, conclude, watch

    how = Watch(
        is_json=is_json,
        is_plain=is_plain,
        is_verbose=verbose > 0,
        is_leaving_when_it_waits=False,
        is_owner=True,
    )
    with Interrupts() as interrupts, opened_backend(ctx) as backend:
        with interrupts.held():
            view = backend.retry(task_id)
        if not is_watching:
            return conclude(ctx, backend, Ending(view, "detached"), how)
        return watch(ctx, backend, view.summary.id, how, interrupts)


@click.command()
@task_argument
@force_option
@json_option
@click.pass_context
def delete(ctx: click.Context, task_id: str, *, is_forced: bool, is_json: bool) -> int:
    """Delete an ended task with its commits. Work that was not applied needs --force."""
    with opened_backend(ctx) as backend:
        backend.delete(task_id, force=is_forced)
    if is_json:
        show_json({"deleted": task_id})
    else:
        show(ctx, line(f"deleted task {task_id}"))
    return 0
