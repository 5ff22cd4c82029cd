"""`tasks logs`, `tasks diff`, `tasks files`: what a task wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.app import looking_backend, show, show_json, terminal_of, write_bytes
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import attempt_option, json_option, step_option, task_argument
from ai_orchestrator.cli.terminal import clean_chunks, clean_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ai_orchestrator.cli.lines import Line, Style
    from ai_orchestrator.model.task import Diff, FileChange

LINE_LIMIT_BYTES = 65_536
"""A line of a patch longer than this is shown in pieces."""


@click.command()
@task_argument
@step_option
@click.pass_context
def logs(ctx: click.Context, task_id: str, step: str | None) -> int:
    """Print the agents' raw output, without the secrets that were known.

    On a terminal control characters are left out.
    """
    is_shown = terminal_of(ctx).is_shown
    with looking_backend(ctx) as backend:
        chunks = backend.logs(task_id, step=step)
        for chunk in clean_chunks(chunks) if is_shown else chunks:
            write_bytes(chunk)
    return 0


@click.command()
@task_argument
@step_option
@attempt_option
@click.option("--stat", "is_stat_only", is_flag=True, help="Only how much changed in which file.")
@json_option
@click.pass_context
def diff(
    ctx: click.Context,
    task_id: str,
    step: str | None,
    attempt: int | None,
    *,
    is_stat_only: bool,
    is_json: bool,
) -> int:
    """Show what a task, or one step of it, changed: the files, then the patch.

    For a patch to give to git: ai-orchestrator tasks apply TASK --patch FILE.
    """
    with looking_backend(ctx) as backend:
        changes = backend.diff(task_id, step=step, attempt=attempt)
        if is_json:
            show_json(changes)
            return 0
        show(ctx, *_stat(changes))
        if changes.files and not is_stat_only:
            is_shown = terminal_of(ctx).is_shown
            patch = backend.patch(task_id, step=step, attempt=attempt)
            _stream_patch(ctx, patch, is_shown=is_shown)
    return 0


@click.command()
@task_argument
@step_option
@attempt_option
@json_option
@click.pass_context
def files(
    ctx: click.Context, task_id: str, step: str | None, attempt: int | None, *, is_json: bool
) -> int:
    """List the files a task, or one step of it, changed."""
    with looking_backend(ctx) as backend:
        changes = backend.diff(task_id, step=step, attempt=attempt)
    if is_json:
        show_json(changes.files)
    elif changes.files:
        show(ctx, *(_file(change) for change in changes.files))
    else:
        show(ctx, line("No file was changed."))
    return 0


_STATUS_STYLE: dict[str, Style] = {"added": "good", "deleted": "bad"}


def _file(change: FileChange) -> Line:

    name = change.path if change.old_path is None else f"{change.old_path} -> {change.path}"
    return line(
        Span(f"{change.status:<12}  ", _STATUS_STYLE.get(change.status, "accent")),
        f"{_counts(change):<14}  {clean_line(name)}",
    )


def _counts(change: FileChange) -> str:
    if change.insertions is None or change.deletions is None:
        return "binary"
    return f"+{change.insertions} -{change.deletions}"


def _stat(changes: Diff) -> list[Line]:

    if not changes.files:
        return [line("Nothing was changed.")]
    added = sum(change.insertions or 0 for change in changes.files)
    deleted = sum(change.deletions or 0 for change in changes.files)
    span = f"{figures.short_commit(changes.base)}..{figures.short_commit(changes.commit)}"
    total = figures.changes(len(changes.files), added, deleted)
    return [
        *(_file(change) for change in changes.files),
        line(Span(f"{span}  {total}", "strong")),
        line(),
    ]


def _stream_patch(ctx: click.Context, chunks: Iterable[bytes], *, is_shown: bool) -> None:
    """Line by line, coloured on a terminal, byte for byte where a program reads."""
    if not is_shown:
        for chunk in chunks:
            write_bytes(chunk)
        return
    for raw in _split(chunks):
        text = raw.decode("utf-8", errors="replace")
        show(ctx, line(Span(text, patch_style(text))))


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > LINE_LIMIT_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def patch_style(text: str) -> Style:
    """How a line of a patch is coloured."""
    if text.startswith(("diff ", "index ", "--- ", "+++ ", "new file", "deleted file", "rename ")):
        return "strong"
    if text.startswith("@@"):
        return "accent"
    if text.startswith("+"):
        return "good"
    return "bad" if text.startswith("-") else "plain"
