"""`tasks apply`: the only command that writes to a person's repository."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.cli import figures
from ai_orchestrator.cli.app import (
    absolute,
    looking_backend,
    opened_backend,
    services_of,
    show,
    show_json,
    terminal_of,
    write_bytes,
)
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import attempt_option, json_option, task_argument
from ai_orchestrator.cli.terminal import clean_chunks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ai_orchestrator.cli.needs import Applied, ApplyMode
    from ai_orchestrator.model.backend import Backend


class ApplyFlags(TypedDict):
    """The parameters of `tasks apply` as Click hands them over."""

    task_id: str
    is_branch: bool
    is_merge: bool
    patch_file: str | None
    output: str | None
    repository: str | None
    attempt: int | None
    is_json: bool


@click.command()
@task_argument
@click.option("--branch", "is_branch", is_flag=True, help="Make the task's branch (the default).")
@click.option("--merge", "is_merge", is_flag=True, help="Merge the work into what is checked out.")
@click.option("--patch", "patch_file", metavar="FILE", help="Only write a patch; - is stdout.")
@click.option("-o", "--output", metavar="DIR", help="Make a new repository there with the result.")
@click.option(
    "--repo", "repository", metavar="PATH", help="Apply to this repository. Default: the task's."
)
@attempt_option
@json_option
@click.pass_context
def apply(ctx: click.Context, /, **flags: Unpack[ApplyFlags]) -> int:
    """Bring a task's work into a repository.

    Without an option: make the branch `ai/...` there; what is checked out stays as it is. A patch
    does not count as applied: `gc` keeps the task's work.
    """
    mode = _mode(ctx, flags)
    if flags["patch_file"] is not None:
        with looking_backend(ctx) as backend:
            return _write_patch(ctx, backend, flags, flags["patch_file"])
    with opened_backend(ctx) as backend:
        applied = services_of(ctx).apply_task(
            backend,
            flags["task_id"],
            repository=absolute(flags["output"] or flags["repository"]),
            mode=mode,
            attempt=flags["attempt"],
        )
    _show(ctx, applied, flags["task_id"], is_json=flags["is_json"])
    return 0


def _mode(ctx: click.Context, flags: ApplyFlags) -> ApplyMode:
    chosen = [
        name
        for name, is_given in (
            ("--branch", flags["is_branch"]),
            ("--merge", flags["is_merge"]),
            ("--patch", flags["patch_file"] is not None),
            ("--output", flags["output"] is not None),
        )
        if is_given
    ]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other.", ctx=ctx)
    if flags["repository"] is not None and chosen in (["--output"], ["--patch"]):
        raise click.UsageError(f"{chosen[0]} does not write to --repo; drop one.", ctx=ctx)
    if flags["is_json"] and flags["patch_file"] == "-":
        raise click.UsageError("--json and --patch - both want stdout.", ctx=ctx)
    if flags["is_merge"]:
        return "merge"
    return "branch" if flags["output"] is None else "new-directory"


def _write_patch(ctx: click.Context, backend: Backend, flags: ApplyFlags, name: str) -> int:
    """What a person looks at has no control characters, and is not meant to be applied."""
    chunks = backend.patch(flags["task_id"], attempt=flags["attempt"])
    if name == "-":
        for chunk in clean_chunks(chunks) if terminal_of(ctx).is_shown else chunks:
            write_bytes(chunk)
        return 0
    count_bytes = _write_file(name, chunks)
    if flags["is_json"]:
        show_json({"patch": name, "bytes": count_bytes})
    else:
        command = shlex.join(["git", "apply", "--index", name])
        click.echo(f"wrote {count_bytes:,} bytes to {name}. Apply it: {command}")
    return 0


def _write_file(name: str, chunks: Iterable[bytes]) -> int:

    target = Path(name)
    try:
        if target.exists() and not target.is_file():  # a pipe or a device: nothing to replace
            with target.open("wb") as stream:
                return sum(stream.write(chunk) for chunk in chunks)
        return _replace_file(target, chunks)
    except OSError as error:
        raise BadInputError(f"--patch {name}: {error.strerror}.") from error


def _replace_file(target: Path, chunks: Iterable[bytes]) -> int:
    """Writes beside the file and renames, so that a broken stream leaves no half patch."""
    import tempfile

    handle, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            count_bytes = sum(stream.write(chunk) for chunk in chunks)
            stream.flush()
            os.fsync(stream.fileno())
        Path(part).replace(target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return count_bytes


def _show(ctx: click.Context, applied: Applied, task_id: str, *, is_json: bool) -> None:
    from ai_orchestrator.model.ids import short_id

    if is_json:
        show_json(
            {
                "repository": applied.repository,
                "commit": applied.commit,
                "branch": applied.branch,
                "is_merged": applied.is_merged,
            }
        )
        return
    commit = figures.short_commit(applied.commit)
    branch = Span(applied.branch, "strong")
    if applied.is_merged:
        told = f"the work of task {short_id(task_id)} is merged into "
        show(ctx, line(told, branch, f" ({commit}) of {applied.repository}"))
        return
    show(ctx, line(branch, f" ({commit}) is in {applied.repository}"))
    show(ctx, line(Span("  next:      ", "dim"), Span(_merge_command(applied), "accent")))


def _merge_command(applied: Applied) -> str:

    return shlex.join(["git", "-C", applied.repository, "merge", applied.branch])
