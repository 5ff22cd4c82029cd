"""`agents`: which agents are ready, and what to type for those that are not."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import click

from ai_orchestrator.cli.app import place_of, services_of, settings_of, show, show_json, tell_notes
from ai_orchestrator.cli.lazy import Entry, LazyGroup
from ai_orchestrator.cli.lines import Span, line, table
from ai_orchestrator.cli.options import config_option, json_option, repo_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ai_orchestrator.cli.needs import AgentStatus


class AgentsGroup(LazyGroup):
    """The commands under `agents`."""

    default_command: ClassVar[str | None] = "list"
    entries: ClassVar[Mapping[str, Entry]] = {
        "list": Entry("ai_orchestrator.cli.agents:list_agents", "List the agents.")
    }


@click.group(cls=AgentsGroup)
def agents() -> None:
    """Show which agents are ready, and why not. Without a command: list."""


@click.command("list")
@config_option
@repo_option
@json_option
@click.pass_context
def list_agents(
    ctx: click.Context, config_file: str | None, repository: str | None, *, is_json: bool
) -> int:
    """List the agents: version, account, and what to type where one is not ready."""
    from ai_orchestrator.cli.plan import agent_json

    place = place_of(config_file, repository)
    statuses = services_of(ctx).survey_agents(place, settings_of(ctx).data_dir)
    tell_notes(ctx, place)
    if is_json:
        show_json([agent_json(status) for status in statuses])
    else:
        _show(ctx, statuses)
    return 0


def _show(ctx: click.Context, statuses: Sequence[AgentStatus]) -> None:
    from ai_orchestrator.cli.plan import agent_row

    if not statuses:
        show(ctx, line("No agent is enabled. See: ai-orchestrator config show agents"))
        return
    show(ctx, *table([agent_row(status) for status in statuses]))
    for status in statuses:
        if status.next_command:
            next_words = Span(status.next_command, "accent")
            show(ctx, line(Span(f"  {status.name}: ", "dim"), next_words))
