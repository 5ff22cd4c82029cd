"""`demo`: a whole task on a small repository, with a scripted model instead of a paid one."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import click

from ai_orchestrator.cli.app import absolute, services_of, settings_of, tell
from ai_orchestrator.cli.interrupts import Interrupts
from ai_orchestrator.cli.options import json_option, plain_option, verbose_option


@click.command()
@click.option("--directory", metavar="DIR", help="Where the repository of the demo is made.")
@plain_option
@json_option
@verbose_option
@click.pass_context
def demo(
    ctx: click.Context, directory: str | None, *, is_plain: bool, is_json: bool, verbose: int
) -> int:
    """See a whole task: implement, review, refine, verify. No key, no network, no cost."""
    from ai_orchestrator.cli.watching import Watch, accept, say_accepted, watch

    settings = settings_of(ctx, verbose=verbose)
    ready = services_of(ctx).run_demo(settings, directory=absolute(directory))
    with Interrupts() as interrupts, ready as run:
        for note in run.notes:
            tell(note)
        how = Watch(
            is_json=is_json,
            is_plain=is_plain,
            is_verbose=verbose > 0,
            is_leaving_when_it_waits=False,
            is_owner=True,
            data_dir=run.backend.info().data_directory,
        )
        view = accept(run.backend, run.request, interrupts)
        say_accepted(ctx, view, how)
        return watch(ctx, run.backend, view.summary.id, how, interrupts)
