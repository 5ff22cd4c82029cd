"""`config`: where every setting comes from, and a first file to edit."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

import click

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.cli.app import (
    absolute,
    next_command,
    place_of,
    services_of,
    show,
    show_json,
    tell,
    tell_notes,
)
from ai_orchestrator.cli.lazy import Entry, LazyGroup
from ai_orchestrator.cli.lines import Span, line
from ai_orchestrator.cli.options import config_option, json_option, repo_option
from ai_orchestrator.cli.terminal import clean_line
from ai_orchestrator.model.states import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ai_orchestrator.cli.lines import Line
    from ai_orchestrator.model.task import Origin, ResolvedConfig


class ConfigGroup(LazyGroup):
    """The commands under `config`."""

    default_command: ClassVar[str | None] = "show"
    entries: ClassVar[Mapping[str, Entry]] = {
        "show": Entry("ai_orchestrator.cli.config:show_config", "Show settings and their origin."),
        "init": Entry("ai_orchestrator.cli.config:init", "Write a configuration to start from."),
    }


@click.group(cls=ConfigGroup)
def config() -> None:
    """Show or create the configuration. Without a command: show."""


@click.command("show")
@click.argument("key", required=False)
@config_option
@repo_option
@json_option
@click.pass_context
def show_config(
    ctx: click.Context,
    key: str | None,
    config_file: str | None,
    repository: str | None,
    *,
    is_json: bool,
) -> int:
    """Show every setting with the place it comes from, or those at and below KEY.

    What is wrong with the configuration is told as well; the exit code is 2 then.

    KEY is a path such as `agents.claude` or `settings.max_iterations`. No secret has a
    place in it: keys and tokens come from the environment.
    """
    place = place_of(ctx, config_file, repository)
    resolved = services_of(ctx).config_origins(place)
    tell_notes(ctx, place)
    rows = list(_rows(resolved, key))
    if key is not None and not rows:
        _refuse_key(key, resolved)
    if is_json:
        show_json([_json(name, value, origin) for name, value, origin in rows])
    else:
        show(ctx, *_lines(rows))
    problems = services_of(ctx).check_config(place)
    for problem in problems:
        tell(problem)
    return ExitCode.BAD_INPUT if problems else ExitCode.SUCCESS


@click.command()
@click.argument("path", required=False)
@click.option("--force", "is_forced", is_flag=True, help="Replace the file that is there.")
@json_option
@click.pass_context
def init(ctx: click.Context, path: str | None, *, is_forced: bool, is_json: bool) -> int:
    """Write a commented configuration to start from.

    Without PATH: your own, ~/.config/ai-orchestrator/agents.yaml.
    """
    written = services_of(ctx).init_config(absolute(path), is_forced=is_forced)
    if is_json:
        show_json({"path": str(written)})
    else:
        check = next_command(ctx, "validate", str(written))
        show(ctx, line(f"wrote {written}. Edit it, then: {check}"))
    return 0


Row = tuple[str, object, "Origin | None"]


def _rows(resolved: ResolvedConfig, key: str | None) -> Iterator[Row]:
    for name, value in _leaves(resolved.document, ""):
        if key is None or name == key or name.startswith((f"{key}.", f"{key}[")):
            yield name, value, _origin(name, resolved.origins)


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, below in enumerate(value):
            yield from _leaves(below, f"{name}[{index}]")
    else:
        yield name, value


def _origin(name: str, origins: Mapping[str, Origin]) -> Origin | None:
    """The origin of the value, else of the nearest thing that holds it."""
    while name:
        if name in origins:
            return origins[name]
        cut = max(name.rfind("."), name.rfind("["))
        name = name[:cut] if cut > 0 else ""
    return None


def _lines(rows: list[Row]) -> list[Line]:
    if not rows:
        return [line("The configuration is empty.")]
    width = max(len(name) for name, _, _ in rows)
    return [
        line(
            Span(f"{name:<{width}}  ", "strong"),
            clean_line(json.dumps(value, ensure_ascii=False, default=str)),
            Span(f"  # {_place(origin)}", "dim"),
        )
        for name, value, origin in rows
    ]


def _place(origin: Origin | None) -> str:
    if origin is None:
        return "origin not recorded"
    return origin.source if origin.line is None else f"{origin.source}:{origin.line}"


def _json(name: str, value: object, origin: Origin | None) -> dict[str, object]:
    source = None if origin is None else origin.source
    at_line = None if origin is None else origin.line
    return {"key": name, "value": value, "source": source, "line": at_line}


def _refuse_key(key: str, resolved: ResolvedConfig) -> None:
    from difflib import get_close_matches

    known = [name for name, _ in _leaves(resolved.document, "")]
    close = get_close_matches(key, known, n=3)
    hint = f"Did you mean: {', '.join(close)}?" if close else "See: ai-orchestrator config show"
    raise NotFoundError(f"no setting {key!r}.", hint=hint)
