"""`gc`: gives disk space back, never at the price of work that was not applied."""

from __future__ import annotations

import click

from ai_orchestrator.cli import figures
from ai_orchestrator.cli.app import opened_backend, show, show_json
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import json_option
from ai_orchestrator.cli.terminal import with_short_ids


@click.command()
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would be removed.")
@click.option("--force", "is_forced", is_flag=True, help="Also remove work that was not applied.")
@json_option
@click.pass_context
def gc(ctx: click.Context, *, is_dry_run: bool, is_forced: bool, is_json: bool) -> int:
    """Remove what ended tasks no longer need. Work that was not applied is kept."""
    with opened_backend(ctx) as backend:
        report = backend.gc(dry_run=is_dry_run, force=is_forced)
    if is_json:
        show_json(report)
        return 0
    verb = "would remove" if report.is_dry_run else "removed"
    show(ctx, *(line(f"{verb} ", with_short_ids(name)) for name in report.removed))
    show(ctx, *(line(Span("kept ", "warn"), with_short_ids(name)) for name in report.kept))
    count = figures.counted(len(report.removed), "item")
    show(ctx, line(Span(f"{verb} {count}, {figures.size(report.freed_bytes)}", "strong")))
    return 0
