"""Shows a task until it ends or the person leaves, and says what came out.

The part that `run`, `demo`, `tasks watch` and `tasks retry --watch` have in common.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from ai_orchestrator.base.errors import OrchestratorError, UnreachableError
from ai_orchestrator.cli.app import (
    app_of,
    next_command,
    services_of,
    show,
    show_folded,
    show_json,
    tell,
    terminal_of,
    told_when_late,
    write_bytes,
)
from ai_orchestrator.cli.failures import CommandInterruptedError
from ai_orchestrator.cli.following import Answer, Ending, Follower, Manners
from ai_orchestrator.cli.interrupts import DetachRequestedError
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.presenters import (
    JsonPresenter,
    LivePresenter,
    PlainPresenter,
    live_console,
)
from ai_orchestrator.cli.streams import OutputLostError
from ai_orchestrator.cli.summary import ending as ending_lines
from ai_orchestrator.cli.summary import next_words
from ai_orchestrator.cli.terminal import clean_line
from ai_orchestrator.cli.timeline import Timeline
from ai_orchestrator.model.ids import short_id
from ai_orchestrator.model.result import run_result
from ai_orchestrator.model.states import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ai_orchestrator.cli.interrupts import Interrupts
    from ai_orchestrator.model.backend import Backend
    from ai_orchestrator.model.task import TaskRequest, TaskView

_QUESTION = "\nDetach or cancel? [d/c] "


TOLD_AFTER_S = 2.0
"""Most hand-overs take less than a tenth of it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a command was asked to show a task."""

    is_json: bool
    is_plain: bool
    is_verbose: bool
    is_leaving_when_it_waits: bool
    is_owner: bool
    """Ctrl-C may cancel the task; a mere watcher only stops watching."""
    in_process: bool = False
    data_dir: str | None = None
    """Named in the commands to type next, where it is not the one that they would find."""
    output: Path | None = None
    """Where `-o` wants a new repository with the result."""
    told: tuple[str, ...] = ()
    """Notes of the task that were told when it was accepted."""


def accept(backend: Backend, request: TaskRequest, interrupts: Interrupts) -> TaskView:
    """The accepted task. Ctrl-C during the hand-over counts as one right after it.

    A repository may have to be fetched before it is accepted: who waits for that is told.
    """
    fetching = told_when_late("the repository is looked at and fetched ...", after_s=TOLD_AFTER_S)
    try:
        with fetching, interrupts.held():
            return backend.submit(request)
    except (KeyboardInterrupt, DetachRequestedError) as error:
        raise CommandInterruptedError(
            "interrupted while the task was handed over.",
            hint="See whether it was accepted: ai-orchestrator tasks",
        ) from error


@contextmanager
def named_when_lost(ctx: click.Context, view: TaskView, how: Watch) -> Iterator[None]:
    """An accepted task's id reaches the person although stdout takes nothing any more."""
    try:
        yield
    except OutputLostError as error:
        short = short_id(view.summary.id)
        again = next_command(ctx, "tasks", "watch", short, data_dir=how.data_dir)
        hint = f"Task {short} was accepted and is not lost: {again}"
        raise OutputLostError(error.message, hint=hint) from error


def watch(
    ctx: click.Context, backend: Backend, task_id: str, how: Watch, interrupts: Interrupts
) -> int:
    """Follows the task to its end and prints the result; the exit code."""
    manners = Manners(
        is_leaving_when_it_waits=how.is_leaving_when_it_waits,
        on_interrupt=lambda: _answer(ctx, how),
        sleep=app_of(ctx).sleep,
    )
    try:
        with _presenter(ctx, how) as presenter:
            ending = Follower(backend, presenter, interrupts, manners).follow(task_id)
    except UnreachableError as error:
        again = next_command(ctx, "tasks", "watch", short_id(task_id))
        raise UnreachableError(
            error.message, hint=f"{error.hint} The task is not lost. To come back: {again}".strip()
        ) from error
    return conclude(ctx, backend, ending, how)


def say_accepted(ctx: click.Context, view: TaskView, how: Watch) -> Watch:
    """Tells people that it is accepted, and what to know of it; `how` to show what comes next.

    Programs get the id with every event, and the notes with the result.
    """
    if view.is_repeat:
        short = short_id(view.summary.id)
        tell(f"task {short} was accepted before under this key; nothing new was started.")
    elif not how.is_json:
        told = f" accepted, workflow {clean_line(view.summary.workflow)}"
        show(ctx, line("task ", Span(short_id(view.summary.id), "strong"), told))
    for note in view.notes:
        tell(note)
    return replace(how, told=view.notes)


def conclude(ctx: click.Context, backend: Backend, ending: Ending, how: Watch) -> int:
    """Delivers what `-o` asked for, prints what came out, returns the exit code."""
    delivered, problem = None, None
    try:
        delivered = _deliver(ctx, backend, ending, how)
    except OrchestratorError as error:
        problem = error  # the task itself is told first: its work is safe
    if how.is_json:
        _show_result(ctx, backend, ending, delivered)
    else:
        _show_ending(ctx, ending, how, delivered)
    if problem is not None:
        raise problem
    is_stopped = how.in_process and ending.kind == "detached"
    if is_stopped and not ending.view.summary.state.is_final:
        return ExitCode.INTERRUPTED  # nothing goes on: whoever waits for success must not see it
    return ending.exit_code


def _presenter(ctx: click.Context, how: Watch) -> JsonPresenter | PlainPresenter | LivePresenter:
    if how.is_json:
        return JsonPresenter(write_bytes)
    timeline = Timeline(is_verbose=how.is_verbose)
    if terminal_of(ctx).is_interactive and not how.is_plain:
        return LivePresenter(timeline, live_console(), app_of(ctx).clock)
    return PlainPresenter(timeline, lambda a_line: show(ctx, a_line))


def _answer(ctx: click.Context, how: Watch) -> Answer:
    """What Ctrl-C means: asked where somebody can answer, else cancel what is one's own."""
    if not how.is_owner:
        return "detach"
    return _asked() if terminal_of(ctx).can_ask else "cancel"


def _asked() -> Answer:
    while True:
        click.echo(_QUESTION, nl=False, err=True)
        typed = sys.stdin.readline()
        answer = typed.strip().lower()
        if not typed or answer in ("d", "detach"):
            return "detach"  # end of input: nobody is there to say cancel
        if answer in ("c", "cancel"):
            return "cancel"


def _deliver(ctx: click.Context, backend: Backend, ending: Ending, how: Watch) -> str | None:
    view = ending.view
    if how.output is None or ending.kind != "final" or ending.exit_code != 0:
        return None
    if view.final_commit is None:
        return None
    applied = services_of(ctx).apply_task(
        backend, view.summary.id, repository=how.output, mode="new-directory"
    )
    return applied.repository


def _show_result(
    ctx: click.Context, backend: Backend, ending: Ending, delivered: str | None
) -> None:
    repository = services_of(ctx).task_repository(backend, ending.view.summary.id)
    show_json(
        run_result(
            ending.view,
            exit_code=ending.exit_code,
            is_detached=ending.is_left,
            data_directory=backend.info().data_directory,
            repository=None if repository is None else str(repository),
            delivered_to=delivered,
        )
    )


def _show_ending(ctx: click.Context, ending: Ending, how: Watch, delivered: str | None) -> None:
    if ending.is_left:
        _show_detached(ctx, ending, how)
        return
    is_told = ending.kind == "final"  # the story ends with the state and its reason
    show_folded(ctx, line(), *ending_lines(ending.view, told=how.told, is_reason_told=is_told))
    if delivered is not None:
        show_folded(ctx, line(Span("  result     ", "dim"), delivered))
    show_next(ctx, *_next(ending, how, delivered), data_dir=how.data_dir)


def _next(ending: Ending, how: Watch, delivered: str | None) -> list[tuple[str, ...]]:
    words = next_words(ending.view)
    if delivered is not None:
        return [word for word in words if "apply" not in word]
    if how.output is None:
        return words
    return [(*word, "-o", str(how.output)) if "apply" in word else word for word in words]


def _show_detached(ctx: click.Context, ending: Ending, how: Watch) -> None:
    short = short_id(ending.view.summary.id)
    if ending.view.summary.state.is_final:
        told = f"task {short} has ended."
    elif how.in_process:
        told = f"task {short} stops here and goes on when the next command starts a runner."
    else:
        state = ending.view.summary.state.value.replace("_", " ")
        told = f"task {short} ({state}) goes on without this command."
    show_folded(ctx, line(Span(told, "strong")))
    show_next(ctx, *next_words(ending.view), data_dir=how.data_dir)


def show_next(ctx: click.Context, *words: tuple[str, ...], data_dir: str | None = None) -> None:
    """Commands to type next: below the label where the terminal leaves no room beside it."""
    commands = [next_command(ctx, *word, data_dir=data_dir) for word in words]
    columns = terminal_of(ctx).columns
    is_beside = columns is None or all(13 + len(command) <= columns for command in commands)
    if commands and not is_beside:
        show(ctx, line(Span("  next:", "dim")))
    for index, command in enumerate(commands):
        label = "" if not is_beside else "next:      " if index == 0 else " " * 11
        show(ctx, line("  ", Span(label, "dim"), Span(command, "accent")))
