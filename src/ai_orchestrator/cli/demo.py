"""`demo`: a whole task on a small repository, with a scripted model instead of a paid one."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from typing import TypedDict, Unpack

import click

from ai_orchestrator.cli.app import absolute, services_of, settings_of, tell
from ai_orchestrator.cli.completing import DEMO_AGENTS, complete_demo_agents
from ai_orchestrator.cli.interrupts import Interrupts
from ai_orchestrator.cli.options import (
    comma_separated,
    json_option,
    plain_option,
    verbose_option,
)


class DemoFlags(TypedDict):
    """The parameters of `demo` as Click hands them over."""

    directory: str | None
    agents: str | None
    is_plain: bool
    is_json: bool
    verbose: int


@click.command()
@click.option("--directory", metavar="DIR", help="Where the repository of the demo is made.")
@click.option(
    "--agents",
    metavar="A,B,C",
    shell_complete=complete_demo_agents,
    help="Installed agents that implement, review and refine in place of the built-in one: "
    f"{', '.join(DEMO_AGENTS)}.",
)
@plain_option
@json_option
@verbose_option
@click.pass_context
def demo(ctx: click.Context, /, **flags: Unpack[DemoFlags]) -> int:
    """See a whole task: implement, review, refine, verify. No key, no network, no cost.

    With --agents your installed agents do the work, and a scripted model answers them.
    """
    from ai_orchestrator.cli.watching import Watch, accept, named_when_lost, say_accepted, watch

    settings = settings_of(ctx, verbose=flags["verbose"])
    for option, given in (("--data-dir", settings.data_dir), ("--server", settings.server)):
        if given is not None:
            raise click.UsageError(
                f"{option} has no effect on the demo: it has a runner and a data directory of its "
                "own, below --directory, so that nothing of it is left among your tasks.",
                ctx=ctx,
            )
    ready = services_of(ctx).run_demo(
        settings, directory=absolute(flags["directory"]), agents=comma_separated(flags["agents"])
    )
    with Interrupts() as interrupts, ready as run:
        for note in run.notes:
            tell(note)
        how = Watch(
            is_json=flags["is_json"],
            is_plain=flags["is_plain"],
            is_verbose=flags["verbose"] > 0,
            is_leaving_when_it_waits=False,
            is_owner=True,
            data_dir=run.backend.info().data_directory,
        )
        view = accept(run.backend, run.request, interrupts)
        with named_when_lost(ctx, view, how):
            how = say_accepted(ctx, view, how)
            return watch(ctx, run.backend, view.summary.id, how, interrupts)
