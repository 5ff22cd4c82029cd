"""`tasks cancel`, `tasks retry`, `tasks delete`: commands that change a task."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from ai_orchestrator.cli.app import (
    next_command,
    opened_backend,
    place_of,
    services_of,
    show,
    show_json,
    tell,
)
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
from ai_orchestrator.cli.terminal import with_short_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ai_orchestrator.model.backend import Backend
    from ai_orchestrator.model.task import TaskView


class RetryFlags(TypedDict):
    """The parameters of `tasks retry` as Click hands them over."""

    task_id: str
    is_watching: bool
    config_file: str | None
    is_plain: bool
    is_json: bool
    verbose: int


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
        had_ended = backend.task(task_id).summary.state.is_final
        view = backend.cancel(task_id)
    if is_json:
        show_json(view)
        return 0
    already = "had ended already: " if had_ended else ""
    show(ctx, line(f"task {short_id(view.summary.id)} {already}", *state_line(view.summary)))
    show_next(ctx, *next_words(view))
    return 0


@click.command()
@task_argument
@click.option("--watch", "is_watching", is_flag=True, help="Watch it as `run` does.")
@click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    help="Take the credentials that the accounts of this file name; nothing else of it. The task "
    "runs by what it was accepted with.",
)
@plain_option
@json_option
@verbose_option
@click.pass_context
def retry(ctx: click.Context, /, **flags: Unpack[RetryFlags]) -> int:
    """Run an ended task again, from its start, under the same id.

    Credentials were deleted at its end: they are taken anew from the environment here, those that
    accounts name by the configuration that holds for the task's repository.
    """
    from ai_orchestrator.cli.watching import Watch, conclude, named_when_lost, watch

    how = Watch(
        is_json=flags["is_json"],
        is_plain=flags["is_plain"],
        is_verbose=flags["verbose"] > 0,
        is_leaving_when_it_waits=False,
        is_owner=True,
    )
    with Interrupts() as interrupts, opened_backend(ctx) as backend:
        credentials = _credentials(ctx, backend, flags)
        with interrupts.held():
            view = backend.retry(flags["task_id"], credentials=credentials)
            _tell_kept(ctx, view)
        with named_when_lost(ctx, view, how):
            if not flags["is_watching"]:
                return conclude(ctx, backend, Ending(view, "detached"), how)
            return watch(ctx, backend, view.summary.id, how, interrupts)


def _tell_kept(ctx: click.Context, view: TaskView) -> None:
    """The work of earlier attempts is not what the task shows from now on, but it stays."""
    from ai_orchestrator.model.ids import short_id

    for one in view.kept_work:
        if not one.is_applied:
            words = ("tasks", "apply", short_id(view.summary.id), "--attempt", str(one.attempt))
            tell(f"the work of attempt {one.attempt} stays: {next_command(ctx, *words)}")


def _credentials(ctx: click.Context, backend: Backend, flags: RetryFlags) -> Mapping[str, str]:
    """What the task would be sent with if it were given again, in its repository."""
    name = backend.task(flags["task_id"]).summary.repository
    is_here = Path(name).is_absolute()  # a URL has no configuration here
    place = place_of(ctx, flags["config_file"], name if is_here else None)
    return services_of(ctx).credentials(replace(place, has_no_repository=not is_here))


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
        show(ctx, line(f"deleted task {with_short_ids(task_id)}"))
    return 0
