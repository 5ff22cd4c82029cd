"""`workflows`: what `run -w` accepts, and what a workflow does."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.cli.app import place_of, services_of, show, show_json, tell, tell_notes
from ai_orchestrator.cli.completing import complete_workflow
from ai_orchestrator.cli.lines import Span, table
from ai_orchestrator.cli.options import config_option, json_option, repo_option
from ai_orchestrator.cli.terminal import clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_orchestrator.cli.needs import WorkflowListing


@click.command()
@click.argument("name", required=False, shell_complete=complete_workflow)
@config_option
@repo_option
@json_option
@click.pass_context
def workflows(
    ctx: click.Context,
    name: str | None,
    config_file: str | None,
    repository: str | None,
    *,
    is_json: bool,
) -> int:
    """Show the workflows that `run -w` accepts, or all about NAME."""
    place = place_of(ctx, config_file, repository)
    listings = services_of(ctx).list_workflows(place)
    tell_notes(ctx, place)
    if name is not None:
        listings = [_named(listings, name)]
    if is_json:
        show_json([_json(listing) for listing in listings])
    elif name is not None:
        from ai_orchestrator.cli.plan import workflow_lines

        show(ctx, *workflow_lines(listings[0].spec))
        if listings[0].lack:
            tell(listings[0].lack)
    else:
        _show(ctx, listings)
    return 0


def _named(listings: Sequence[WorkflowListing], name: str) -> WorkflowListing:

    for listing in listings:
        if listing.spec.name == name:
            return listing
    known = ", ".join(listing.spec.name for listing in listings)
    raise NotFoundError(f"no workflow {name!r}.", hint=f"Known: {known}.")


def _json(listing: WorkflowListing) -> dict[str, object]:
    import msgspec

    return {
        "origin": listing.origin,
        "is_default": listing.is_default,
        "workflow": msgspec.to_builtins(listing.spec),
    }


def _show(ctx: click.Context, listings: Sequence[WorkflowListing]) -> None:

    rows = [
        [
            Span(listing.spec.name, "strong"),
            Span("default" if listing.is_default else "", "good"),
            Span(clean_line(listing.origin), "dim"),
            Span(clean_line(listing.spec.description)),
        ]
        for listing in listings
    ]
    show(ctx, *table(rows))
