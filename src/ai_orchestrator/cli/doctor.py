"""`doctor`: looks at the machine and says what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.app import place_of, services_of, settings_of, show, show_json
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import config_option, json_option
from ai_orchestrator.cli.terminal import clean_line
from ai_orchestrator.model.states import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_orchestrator.cli.lines import Line, Style
    from ai_orchestrator.cli.needs import Check, CheckLevel

_NAME_CHARS = 15
_STYLE: dict[CheckLevel, Style] = {"ok": "good", "warn": "warn", "fail": "bad"}


@click.command()
@config_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, config_file: str | None, is_json: bool) -> int:  # noqa: FBT001
    """Check this machine: tools, sandbox, disk, agents. Exit 3 when a check fails."""
    checks: list[Check] = []
    for check in services_of(ctx).doctor(settings_of(ctx), place_of(ctx, config_file)):
        checks.append(check)
        if not is_json:
            show(ctx, *_lines(check))
    if is_json:
        show_json([_json(check) for check in checks])
    else:
        show(ctx, _total(checks))
    has_failed = any(check.level == "fail" for check in checks)
    return ExitCode.ENVIRONMENT if has_failed else ExitCode.SUCCESS


def _lines(check: Check) -> list[Line]:

    lines = [
        line(
            Span(f"{check.level.upper():<4}  ", _STYLE[check.level]),
            Span(f"{clean_line(check.name):<{_NAME_CHARS}}", "strong"),
            f"  {clean_line(check.detail)}",
        )
    ]
    if check.next_command:
        lines.append(line(Span("      next: ", "dim"), Span(check.next_command, "accent")))
    return lines


def _total(checks: Sequence[Check]) -> Line:

    failed = sum(check.level == "fail" for check in checks)
    warned = sum(check.level == "warn" for check in checks)
    style: Style = "bad" if failed else "warn" if warned else "good"
    return line(
        Span(f"{figures.counted(len(checks), 'check')}, {failed} failed, {warned} warned", style)
    )


def _json(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "level": check.level,
        "detail": check.detail,
        "next_command": check.next_command,
    }
