"""Every way a command can fail, as one line for people, one exit code, one JSON problem.

Called only by `main.execute`. A person never sees a traceback: what nobody expected goes to a file.
"""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from ai_orchestrator import __version__
from ai_orchestrator.base.errors import InternalError, OrchestratorError, PermanentError, shorten
from ai_orchestrator.cli.app import PROGRAM, show_json
from ai_orchestrator.cli.interrupts import DetachRequestedError
from ai_orchestrator.cli.streams import drop_output
from ai_orchestrator.cli.terminal import clean, with_short_ids
from ai_orchestrator.model.states import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommandInterruptedError(PermanentError):
    """Ctrl-C or SIGTERM before the command had anything to leave behind."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED
    http_status = 499


class OutputGoneError(Exception):
    """Whoever read our output has left (`| head`); nothing is wrong and nobody listens."""


class UsageProblemError(PermanentError):
    """The command line could not be parsed."""

    code = "bad-input"
    exit_code = ExitCode.BAD_INPUT
    http_status = 422


def report(error: BaseException, args: Sequence[str]) -> int:
    """Says what went wrong and returns the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return ExitCode.BAD_INPUT
    problem = _as_ours(error)
    try:
        _tell(problem, args)
    except BrokenPipeError:  # nobody reads it any more; the exit code still tells
        drop_output()
    return problem.exit_code


def _tell(problem: OrchestratorError, args: Sequence[str]) -> None:
    click.echo(f"{PROGRAM}: {with_short_ids(clean(str(problem)))}", err=True)
    for detail in problem.details:
        click.echo(f"  {with_short_ids(clean(detail))}", err=True)
    if is_json_wanted(args):
        _show_problem(problem)


def is_json_wanted(args: Sequence[str]) -> bool:
    """`--json` stands among the options. Read from the words: parsing may be what failed."""
    options = args[: args.index("--")] if "--" in args else args
    return "--json" in options


def _as_ours(error: BaseException) -> OrchestratorError:
    if isinstance(error, OrchestratorError):
        return error
    if isinstance(error, (click.Abort, KeyboardInterrupt, DetachRequestedError)):
        return CommandInterruptedError("interrupted.")
    if isinstance(error, click.ClickException):
        return _usage(error)
    return _unexpected(error)


def _usage(error: click.ClickException) -> OrchestratorError:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx is not None else PROGRAM
    told = " ".join(error.format_message().split())  # Click lists choices over several lines
    told = told if told.endswith((".", "?", "!")) else f"{told}."
    return UsageProblemError(told, hint=f"Try: {path} --help")


def _unexpected(error: BaseException) -> OrchestratorError:

    what = f"internal error: {type(error).__name__}: {shorten(str(error))}"
    try:
        where = f"The report is in {_write_report(error)}"
    except OSError as failure:
        where = f"No report could be written: {failure.strerror}"
    return InternalError(f"{what}.", hint=f"{where}. Please report this as a defect.")


def _write_report(error: BaseException) -> str:
    """A file under TMPDIR, mode 0600. No arguments in it: the task's text may be confidential."""
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="ai-orchestrator-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
        stream.write(f"ai-orchestrator {__version__}, Python {sys.version}\n\n")
        stream.writelines(traceback.format_exception(error))
    return path


def _show_problem(problem: OrchestratorError) -> None:
    from ai_orchestrator.model.task import Problem

    show_json(
        Problem(
            title=problem.message,
            status=problem.http_status,
            code=problem.code,
            hint=problem.hint,
            exit_code=problem.exit_code,
            errors=problem.details,
        )
    )
