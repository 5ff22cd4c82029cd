"""Shell completion of names that only the system knows: tasks, steps, workflows, agents.

Called by Click on every press of Tab, so nothing is started for it, and where nothing answers
there are simply no suggestions.
"""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.cli.app import place_of, services_of, settings_of
from ai_orchestrator.cli.terminal import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click
    from click.shell_completion import CompletionItem

    from ai_orchestrator.model.backend import Backend

TASKS_OFFERED = 100
DEMO_AGENTS = ("claude", "codex", "gemini", "copilot")
"""As `services.demo_configuration.MODELS`; a test holds them equal, importing it would be slow."""


def complete_task(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Short ids, newest first, with the titles as help; whole ids once `t-` was typed."""
    del param
    from ai_orchestrator.model.ids import short_id

    try:
        with closing(_asked(ctx)) as backend:
            tasks = backend.tasks(limit=TASKS_OFFERED)
    except OrchestratorError:
        return []
    is_whole = incomplete.startswith("t-")
    return _items(
        incomplete,
        (
            (task.id if is_whole else short_id(task.id), f"{task.state}: {task.title}")
            for task in tasks
        ),
    )


def complete_step(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The steps of the task that was named before."""
    del param
    # While the option still lacks its value, Click leaves the words before it unparsed.
    task_id = ctx.params.get("task_id") or next(iter(ctx.args), None)
    if not isinstance(task_id, str):
        return []
    try:
        with closing(_asked(ctx)) as backend:
            steps = backend.task(task_id).steps
    except OrchestratorError:
        return []
    return _items(incomplete, {step.step: step.agent or step.kind for step in steps}.items())


def complete_workflow(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names that `run -w` accepts here."""
    del param
    try:
        listings = services_of(ctx).list_workflows(place_of(ctx, _config_file(ctx)))
    except OrchestratorError:
        return []
    return _items(incomplete, ((item.spec.name, item.spec.description) for item in listings))


def complete_agents(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The next name of a comma-separated list."""
    del param
    try:
        listings = services_of(ctx).list_workflows(place_of(ctx, _config_file(ctx)))
    except OrchestratorError:
        return []
    agents = {name: spec for item in listings for name, spec in item.spec.agents.items()}
    return _next_of_list(incomplete, {name: spec.description for name, spec in agents.items()})


def complete_demo_agents(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The next name of a comma-separated list of those that can play in the demo."""
    del ctx, param
    return _next_of_list(incomplete, dict.fromkeys(DEMO_AGENTS, ""))


def _next_of_list(incomplete: str, names: Mapping[str, str]) -> list[CompletionItem]:
    """Names with their help, those left out that stand in the list already."""
    before, comma, _ = incomplete.rpartition(",")
    chosen = set(before.split(","))
    left = ((f"{before}{comma}{name}", text) for name, text in names.items() if name not in chosen)
    return _items(incomplete, left)


def _asked(ctx: click.Context) -> Backend:
    return services_of(ctx).open_backend(settings_of(ctx, may_start=False))


def _config_file(ctx: click.Context) -> str | None:
    value = ctx.params.get("config_file")
    return value if isinstance(value, str) else None


def _items(incomplete: str, names: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(name, help=clean_line(help_text)[:80])
        for name, help_text in names
        if name.startswith(incomplete)
    ]
