"""`version`: which release this is. Asks nobody and starts nothing."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import platform

import click

from ai_orchestrator import __version__


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
def version(is_json: bool) -> int:  # noqa: FBT001
    """Print the version."""
    if is_json:
        import json

        click.echo(json.dumps({"version": __version__, "python": platform.python_version()}))
    else:
        click.echo(f"ai-orchestrator {__version__}")
    return 0
