"""Writes `docs/reference/cli.md` and `docs/reference/exit-codes.md` out of the commands themselves.

`python -m ai_orchestrator.cli.reference > docs/reference/cli.md`, and with `exit-codes` as its
argument the other one. A test holds both files equal to what this prints.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING

import click

from ai_orchestrator.base import errors
from ai_orchestrator.cli.app import PROGRAM
from ai_orchestrator.cli.failures import CommandInterruptedError, UsageProblemError
from ai_orchestrator.cli.main import cli
from ai_orchestrator.config.problems import ConfigError
from ai_orchestrator.model.states import ExitCode, OutcomeCode, TaskState, exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator

MEANINGS: dict[int, tuple[str, str]] = {
    ExitCode.SUCCESS: (
        "The command did what it was asked; for `run`: the task succeeded, or it was detached.",
        "",
    ),
    ExitCode.TASK_FAILED: (
        "The task ran and failed, or a request may work later.",
        "`ai-orchestrator tasks show TASK` says why.",
    ),
    ExitCode.BAD_INPUT: (
        "The command line, a file or a name is wrong; nothing was started.",
        "The message says what is known instead.",
    ),
    ExitCode.ENVIRONMENT: (
        (
            "The machine or the repository lacks something: a tool, an agent, disk, a green base, "
            "a database of this release."
        ),
        "`ai-orchestrator doctor` says what to do.",
    ),
    ExitCode.CANCELLED: (
        "The task was cancelled.",
        "`ai-orchestrator tasks retry TASK` runs it again.",
    ),
    ExitCode.BUDGET: (
        "A budget or a quota is used up; also with `--no-wait` while the task waits for one.",
        "Raise the limit, or wait for the reset and come back with `tasks watch`.",
    ),
    ExitCode.WAITS_FOR_PERSON: (
        "With `--no-wait`: the task waits for a person.",
        "`ai-orchestrator tasks show TASK` says for what.",
    ),
    ExitCode.UNREACHABLE: (
        "The server is not reachable, or it refused who you are.",
        "The task is not lost: come back with `tasks watch`.",
    ),
    ExitCode.INTERNAL: (
        "A defect of the orchestrator.",
        "The message names a report; please send it.",
    ),
    ExitCode.INTERRUPTED: (
        "Interrupted before a task was accepted, or a `run --in-process` before its task ended.",
        "A task that was accepted goes on with the next command.",
    ),
}

_TASK_ERRORS: tuple[type[errors.OrchestratorError], ...] = (
    errors.TemporaryError,
    errors.BadInputError,
    ConfigError,
    errors.NotFoundError,
    errors.ConflictError,
    UsageProblemError,
    errors.EnvironmentProblemError,
    errors.UnreachableError,
    errors.InternalError,
    CommandInterruptedError,
)


_PREAMBLE = """\
Exit codes: [exit-codes.md](exit-codes.md). With `--json` a command prints JSON on stdout, one
document per line; `run`, `demo` and `tasks watch` print every event and one last
`{"type": "result", ...}`. A command that fails then prints one problem document (`title`,
`status`, `code`, `hint`, `exit_code`; 70 is left out), beside the message on stderr.
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, in the order of the help, groups before their own."""
    yield from _below(cli, click.Context(cli, info_name=PROGRAM), PROGRAM)


def _below(
    command: click.Command, ctx: click.Context, path: str
) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None, "the table lists what it has"
            yield from _below(inner, click.Context(inner, ctx, name), f"{path} {name}")


def cli_page() -> str:
    """`docs/reference/cli.md`."""
    parts = [
        "# Command line\n",
        "Written by `python -m ai_orchestrator.cli.reference`; do not edit.\n",
        _PREAMBLE,
    ]
    parts += [_section(path, command) for path, command in commands()]
    return "\n".join(parts)


def _section(path: str, command: click.Command) -> str:
    lines = [f"## {path}\n", "```", _usage(path, command), "```\n", _help(command), ""]
    options = [_option(option) for option in command.params if isinstance(option, click.Option)]
    shown = [row for row in options if row]
    if shown:
        lines += ["| option | meaning |", "| --- | --- |", *shown, ""]
    if isinstance(command, click.Group):
        names = command.list_commands(click.Context(command))
        lines += [f"Commands: {', '.join(f'`{name}`' for name in names)}.", ""]
    return "\n".join(lines)


def _help(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs)


def _paragraph(text: str) -> str:
    if not text.startswith("\b"):
        return text.strip()
    return "```\n" + text.removeprefix("\b").strip("\n") + "\n```"


def _usage(path: str, command: click.Command) -> str:
    pieces = command.collect_usage_pieces(click.Context(command, info_name=path))
    return " ".join([path, *pieces])


def _option(option: click.Option) -> str:
    if option.hidden:
        return ""
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = "" if option.is_flag or option.count else f" `{_value(option)}`"
    default = f" Default: {option.default}." if option.show_default else ""
    meaning = f"{option.help}{default}".replace("|", "\\|")
    return f"| {names}{value.replace('|', chr(92) + '|')} | {meaning} |"


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(option.type.choices)
    return option.metavar or (option.name or "").upper()


def exit_codes_page() -> str:
    """`docs/reference/exit-codes.md`."""
    lines = [
        "# Exit codes\n",
        "Written by `python -m ai_orchestrator.cli.reference exit-codes`; do not edit.\n",
        "| code | meaning | what to do |",
        "| --- | --- | --- |",
        *(f"| {code} | {meaning} | {advice} |" for code, (meaning, advice) in MEANINGS.items()),
        "",
        "## Of a task\n",
        "What `run`, `demo` and `tasks watch` exit with.\n",
        "| state | outcome | code |",
        "| --- | --- | --- |",
        *_states(),
        *(f"| failed | {code} | {exit_code(TaskState.FAILED, code)} |" for code in _failures()),
        "",
        "## Of a problem\n",
        "The `code` of the problem document that `--json` prints.\n",
        "| problem | code |",
        "| --- | --- |",
        *dict.fromkeys(f"| {error.code} | {error.exit_code} |" for error in _TASK_ERRORS),
        "",
    ]
    return "\n".join(lines)


def _states() -> Iterator[str]:
    others = [TaskState.SUCCEEDED, TaskState.CANCELLED]
    waiting = [state for state in TaskState if state.is_waiting]
    for state in others:
        yield f"| {state} | any | {exit_code(state, None)} |"
    for state in waiting:
        yield f"| {state}, with `--no-wait` | | {exit_code(state, None)} |"


def _failures() -> list[OutcomeCode]:
    """Outcomes that a failed task can have; the four that mean success are left out."""
    succeeded = {
        OutcomeCode.APPROVED_VERIFIED,
        OutcomeCode.VERIFIED,
        OutcomeCode.CHANGED_VERIFIED,
    }
    return [code for code in OutcomeCode if code not in succeeded]


def main(args: list[str]) -> None:
    """Prints one of the pages."""
    pages = {(): cli_page, ("exit-codes",): exit_codes_page}
    page = pages.get(tuple(args))
    if page is None:
        sys.exit("usage: python -m ai_orchestrator.cli.reference [exit-codes]")
    sys.stdout.write(page())


if __name__ == "__main__":
    main(sys.argv[1:])
