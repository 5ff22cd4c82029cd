"""`agents`: which agents are ready, and what to type for those that are not."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import click

from ai_orchestrator.cli.app import (
    place_of,
    services_of,
    settings_of,
    show,
    show_json,
    tell,
    tell_notes,
)
from ai_orchestrator.cli.lazy import Entry, LazyGroup
from ai_orchestrator.cli.lines import Span, line, table
from ai_orchestrator.cli.options import config_option, json_option, repo_option
from ai_orchestrator.model.states import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ai_orchestrator.cli.needs import AgentStatus


class AgentsGroup(LazyGroup):
    """The commands under `agents`."""

    default_command: ClassVar[str | None] = "list"
    entries: ClassVar[Mapping[str, Entry]] = {
        "list": Entry("ai_orchestrator.cli.agents:list_agents", "List the agents."),
        "login": Entry("ai_orchestrator.cli.agents:login", "Log in with an agent's own login."),
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

    place = place_of(ctx, config_file, repository)
    statuses = services_of(ctx).survey_agents(place)
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


@click.command("login")
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@config_option
@repo_option
@click.pass_context
def login(
    ctx: click.Context,
    name: str,
    arguments: tuple[str, ...],
    config_file: str | None,
    repository: str | None,
) -> int:
    """Run the vendor's own login once, at this terminal, and keep what it leaves.

    NAME is an account of the kind vendor-home, or an agent, which then uses the login where no key
    is set. ARGUMENTS go to the vendor's login: `agents login codex -- --device-auth`. Exits with 0
    when the login is there, 1 when the vendor's login failed, 2 for an unknown name, 3 when the
    agent's program is missing.
    """
    if settings_of(ctx).server is not None:
        raise click.UsageError("agents login works on this machine: log in on the server's own.")
    place = place_of(ctx, config_file, repository)
    tell_notes(ctx, place)
    prepared = services_of(ctx).prepare_login(name, place)
    tell(f"{prepared.command}: the login will be kept in {prepared.directory}.")
    done = prepared.run(arguments)
    if not done.is_ready:
        tell(f"{done.problem} Nothing was changed.")
        return ExitCode.TASK_FAILED
    show(
        ctx, line(f"{prepared.agent_name} is logged in: account {prepared.account} (vendor-home).")
    )
    if done.note:
        tell(done.note)
    return ExitCode.SUCCESS
