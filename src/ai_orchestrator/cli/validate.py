"""`validate`: every problem of the configuration at once, before a task meets it."""

from __future__ import annotations

import click

from ai_orchestrator.cli.app import place_of, services_of, show, show_json, tell_notes
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import config_option, json_option, repo_option
from ai_orchestrator.model.states import ExitCode


@click.command()
@click.argument("file", required=False)
@config_option
@repo_option
@json_option
@click.pass_context
def validate(
    ctx: click.Context,
    file: str | None,
    config_file: str | None,
    repository: str | None,
    *,
    is_json: bool,
) -> int:
    """Check configuration and workflows; exit 2 when anything is wrong.

    FILE is the same as -c FILE. Without it, everything that `run` would read here is checked. What
    is right and still not what you may expect is told as a note: a file that is not used, a key
    without effect.
    """
    if file is not None and config_file is not None:
        raise click.UsageError("FILE and -c name the same thing; drop one.", ctx=ctx)
    place = place_of(ctx, file or config_file, repository)
    problems, notes = services_of(ctx).check_config(place), tell_notes(ctx, place)
    if is_json:
        show_json({"is_valid": not problems, "problems": list(problems), "notes": list(notes)})
    elif problems:
        show(ctx, *(line(problem) for problem in problems))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        show(ctx, line(Span(count, "bad")))
    else:
        show(ctx, line(Span("valid", "good")))
    return ExitCode.BAD_INPUT if problems else ExitCode.SUCCESS
