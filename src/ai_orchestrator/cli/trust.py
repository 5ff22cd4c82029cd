"""`trust`: a person says that a repository's own configuration may be used."""

from __future__ import annotations

import click

from ai_orchestrator.cli.app import (
    absolute,
    services_of,
    settings_of,
    show,
    show_json,
)
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import json_option
from ai_orchestrator.config.environment import working_directory


@click.command()
@click.argument("path", default=".")
@json_option
@click.pass_context
def trust(ctx: click.Context, path: str, is_json: bool) -> int:  # noqa: FBT001
    """Use the configuration that a repository carries, and the files that it names.

    They can run commands: look at them first. The trust holds for their content as it is now; when
    one of them changes, none is used until you trust again.
    """
    record = services_of(ctx).trust_repository(
        absolute(path) or working_directory(), settings_of(ctx).data_dir
    )
    if is_json:
        show_json(
            {
                "repository": record.repository,
                "files": list(record.files),
                "digest": record.digest,
            }
        )
        return 0
    show(ctx, line(Span("trusted ", "good"), f"{record.repository}, as long as these stay:"))
    show(ctx, *(line(f"  {name}") for name in record.files))
    return 0
