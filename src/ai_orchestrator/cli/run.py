"""`run`: gives a task to the agents and watches it."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import click

from ai_orchestrator.cli.app import (
    absolute,
    opened_backend,
    services_of,
    settings_of,
    show,
    show_json,
    tell,
)
from ai_orchestrator.cli.completing import complete_agents, complete_workflow
from ai_orchestrator.cli.following import Ending
from ai_orchestrator.cli.interrupts import Interrupts
from ai_orchestrator.cli.options import (
    SANDBOX_MODES,
    SEVERITIES,
    Money,
    comma_separated,
    config_option,
    json_option,
    no_wait_option,
    plain_option,
    verbose_option,
)
from ai_orchestrator.cli.settings import RunArguments
from ai_orchestrator.cli.task_text import read_task

if TYPE_CHECKING:
    from ai_orchestrator.model.task import RunOptions, TaskRequest


class RunFlags(TypedDict):
    """The parameters of `run` as Click hands them over."""

    task: str | None
    task_file: str | None
    workflow: str | None
    config_file: str | None
    max_iterations: int | None
    output: str | None
    verbose: int
    is_dry_run: bool
    agents: str | None
    repository: str | None
    ref: str | None
    include_dirty: bool
    model: str | None
    sandbox: Literal["required", "best-effort", "off"] | None
    allow_red_base: bool
    allow_unverified: bool
    fail_on: str | None
    max_cost: float | None
    max_tokens: int | None
    is_detached: bool
    is_not_waiting: bool
    in_process: bool
    is_json: bool
    is_plain: bool
    idempotency_key: str | None


@click.command()
@click.argument("task", required=False)
@click.option(
    "--task-file", metavar="FILE", help="Read the task from a file; - is stdin, as is a TASK of -."
)
@click.option(
    "-w",
    "--workflow",
    metavar="NAME",
    shell_complete=complete_workflow,
    help="Workflow. Default: `default`.",
)
@config_option
@click.option(
    "-m",
    "--max-iterations",
    metavar="N",
    type=click.IntRange(1, 100),
    help="Rounds of a loop, at most.",
)
@click.option("-o", "--output", metavar="DIR", help="Make a new repository there with the result.")
@click.option(
    "--agents",
    metavar="A,B",
    shell_complete=complete_agents,
    help="Use only these agents; unknown ones are refused.",
)
@click.option(
    "--repo",
    "repository",
    metavar="PATH|URL",
    help="Repository. Default: the one that holds the working directory.",
)
@click.option("--ref", metavar="REF", help="Branch, tag or commit to start from. Default: HEAD.")
@click.option("--include-dirty", is_flag=True, help="Start from the uncommitted changes too.")
@click.option("--model", metavar="NAME", help="Model for all agents of this task.")
@click.option("--sandbox", type=click.Choice(SANDBOX_MODES), help="How far agents are fenced in.")
@click.option("--allow-red-base", is_flag=True, help="Start although verifiers fail on the base.")
@click.option(
    "--allow-unverified", is_flag=True, help="Accept a result that no verifier could check."
)
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), help="Exit 1 for findings this severe or worse."
)
@click.option("--max-cost", type=Money(), metavar="USD", help="Stop at this cost.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 10**12),
    metavar="N",
    help="Stop at so many tokens.",
)
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Print the plan and start nothing.")
@click.option("--detach", "is_detached", is_flag=True, help="Hand the task over and exit 0.")
@no_wait_option
@click.option(
    "--in-process", is_flag=True, help="Keep the runner in this command (containers, CI)."
)
@click.option(
    "--idempotency-key",
    metavar="K",
    help="A repeat of the same task with this key gives the first one; another task is refused.",
)
@plain_option
@json_option
@verbose_option
@click.pass_context
def run(ctx: click.Context, /, **flags: Unpack[RunFlags]) -> int:
    """Give TASK to the agents and watch it.

    TASK says what is to be done; - reads it from stdin. The work happens in a copy of the
    repository: nothing of yours changes until `ai-orchestrator tasks apply`.

    Ctrl-C asks whether to detach or to cancel, a second one cancels. Where nobody can be asked,
    Ctrl-C cancels; SIGTERM always detaches.
    """
    _refuse_contradictions(ctx, flags)
    arguments = _arguments(ctx, flags)
    request, notes = services_of(ctx).prepare_request(arguments)
    for note in notes:
        tell(note)
    if flags["is_dry_run"]:
        return _show_plan(ctx, request, is_json=flags["is_json"])
    return _submit(ctx, request, arguments, flags)


def _refuse_contradictions(ctx: click.Context, flags: RunFlags) -> None:
    is_remote = ctx.find_root().params["server"] is not None
    if flags["is_detached"] and flags["in_process"]:
        raise click.UsageError(
            "--detach and --in-process exclude each other: the runner would end at once.", ctx=ctx
        )
    if flags["is_detached"] and flags["is_not_waiting"]:
        raise click.UsageError("--detach does not watch at all; drop --no-wait.", ctx=ctx)
    if is_remote and flags["in_process"]:
        raise click.UsageError(
            "--server and --in-process exclude each other: each names another runner.", ctx=ctx
        )


def _arguments(ctx: click.Context, flags: RunFlags) -> RunArguments:

    task = read_task(flags["task"], flags["task_file"], lambda: sys.stdin.buffer)
    settings = settings_of(
        ctx,
        config_file=flags["config_file"],
        in_process=flags["in_process"],
        verbose=flags["verbose"],
    )
    return RunArguments(
        task=task,
        settings=settings,
        options=_options(flags),
        repository=flags["repository"],
        ref=flags["ref"],
        include_dirty=flags["include_dirty"],
        workflow=flags["workflow"],
        output=absolute(flags["output"]),
        idempotency_key=flags["idempotency_key"],
    )


def _options(flags: RunFlags) -> RunOptions:
    from ai_orchestrator.model.review import Severity
    from ai_orchestrator.model.task import RunOptions

    return RunOptions(
        max_iterations=flags["max_iterations"],
        only_agents=comma_separated(flags["agents"]),
        sandbox=flags["sandbox"],
        allow_red_base=flags["allow_red_base"],
        allow_unverified=flags["allow_unverified"],
        fail_on=None if flags["fail_on"] is None else Severity(flags["fail_on"]),
        max_cost_usd=flags["max_cost"],
        max_tokens=flags["max_tokens"],
        model=flags["model"],
    )


def _show_plan(ctx: click.Context, request: TaskRequest, *, is_json: bool) -> int:
    from ai_orchestrator.cli.plan import plan_json, plan_lines

    plan = services_of(ctx).plan(request, settings_of(ctx).data_dir)
    if is_json:
        show_json(plan_json(plan))
    else:
        show(ctx, *plan_lines(plan))
    return 0


def _submit(
    ctx: click.Context, request: TaskRequest, arguments: RunArguments, flags: RunFlags
) -> int:
    from ai_orchestrator.cli.watching import (
        Watch,
        accept,
        conclude,
        named_when_lost,
        say_accepted,
        watch,
    )

    how = Watch(
        is_json=flags["is_json"],
        is_plain=flags["is_plain"],
        is_verbose=flags["verbose"] > 0,
        is_leaving_when_it_waits=flags["is_not_waiting"],
        is_owner=True,
        in_process=flags["in_process"],
        output=arguments.output,
    )
    if arguments.settings.server is None:  # a server elsewhere has programs of its own
        services_of(ctx).require_agents(request)
    with Interrupts() as interrupts, opened_backend(ctx, arguments.settings) as backend:
        view = accept(backend, request, interrupts)
        with named_when_lost(ctx, view, how):
            how = say_accepted(ctx, view, how)
            if flags["is_detached"]:
                return conclude(ctx, backend, Ending(view, "detached"), how)
            return watch(ctx, backend, view.summary.id, how, interrupts)
