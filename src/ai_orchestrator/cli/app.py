"""What every command is handed, and the few things every command does.

`main` puts an `App` into Click's context; commands ask for it here. Imported on every start.
"""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

import click

from ai_orchestrator.base.clock import Clock, SystemClock
from ai_orchestrator.cli.lines import to_text
from ai_orchestrator.cli.settings import CliSettings, ConfigPlace
from ai_orchestrator.cli.terminal import Terminal, clean, detect_terminal, with_short_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from ai_orchestrator.cli.lines import Line
    from ai_orchestrator.cli.needs import Services
    from ai_orchestrator.model.backend import Backend
    from ai_orchestrator.model.task import ServerInfo

PROGRAM = "ai-orchestrator"


def load_services() -> Services:
    """The real ones. Imported only here and only now: `wiring` brings the whole program with it."""
    from ai_orchestrator.wiring import services

    return services()


@dataclass(frozen=True, slots=True)
class App:
    """The collaborators of all commands."""

    services: Callable[[], Services] = load_services
    clock: Clock = SystemClock()  # noqa: RUF009  # it has no state
    sleep: Callable[[float], None] = time.sleep
    detect: Callable[[bool, str], Terminal] = detect_terminal


class _RootFlags(TypedDict):
    server: str | None
    data_dir: str | None
    no_color: bool
    term: str | None


def _root_flags(ctx: click.Context) -> _RootFlags:
    return cast("_RootFlags", ctx.find_root().params)


def app_of(ctx: click.Context) -> App:
    """The `App` that `main` put into the context."""
    app = ctx.find_object(App)
    assert app is not None, "main passes an App to every command"
    return app


def services_of(ctx: click.Context) -> Services:
    """What a command needs beyond a backend."""
    return app_of(ctx).services()


def terminal_of(ctx: click.Context) -> Terminal:
    """What stdout and stdin are, and whether colour is wanted."""
    flags = _root_flags(ctx)
    return app_of(ctx).detect(flags["no_color"], flags["term"] or "")


def absolute(path: str | None) -> Path | None:
    """The path as seen from the working directory, None for None. Links are left alone."""
    return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100  # keeps links


def settings_of(
    ctx: click.Context,
    *,
    config_file: str | None = None,
    in_process: bool = False,
    may_start: bool = True,
    is_looking: bool = False,
    verbose: int = 0,
) -> CliSettings:
    """The global options and those of this command."""
    from ai_orchestrator.config.environment import working_directory

    flags = _root_flags(ctx)
    return CliSettings(
        cwd=working_directory(),
        data_dir=absolute(flags["data_dir"]),
        server=flags["server"],
        config_file=absolute(config_file),
        in_process=in_process,
        may_start=may_start,
        is_looking=is_looking,
        verbose=verbose,
    )


def place_of(
    ctx: click.Context, config_file: str | None = None, repository: str | None = None
) -> ConfigPlace:
    """Where to look for configuration: where `run` would with the same options."""
    from ai_orchestrator.config.environment import working_directory

    data_dir = absolute(_root_flags(ctx)["data_dir"])
    return ConfigPlace(working_directory(), absolute(config_file), absolute(repository), data_dir)


@contextmanager
def opened_backend(ctx: click.Context, settings: CliSettings | None = None) -> Iterator[Backend]:
    """A backend that is closed afterwards; says which tasks were resumed by opening it."""
    app = app_of(ctx)
    opened_at = app.clock.now()
    backend = app.services().open_backend(settings or settings_of(ctx))
    try:
        with told_when_late("waiting for the server to answer ...", after_s=1.0):
            info = backend.info()
        _tell_about(ctx, info, opened_at)
        yield backend
    finally:
        backend.close()


def looking_backend(ctx: click.Context) -> AbstractContextManager[Backend]:
    """A backend for a command that changes nothing: it works without a runner as well."""
    return opened_backend(ctx, settings_of(ctx, is_looking=True))


def _tell_about(ctx: click.Context, info: ServerInfo, opened_at: datetime) -> None:
    """What there is to know of who answers, and which tasks were resumed.

    Only the command that started the runner says so; those after it would repeat it.
    """
    from ai_orchestrator.model.ids import short_id

    if info.note:
        tell(info.note)
    if not info.resumed_tasks or info.started_at < opened_at:
        return
    shorts = [short_id(task) for task in info.resumed_tasks]
    count = "1 unfinished task" if len(shorts) == 1 else f"{len(shorts)} unfinished tasks"
    tell(f"resumed {count}: {', '.join(shorts)}. {next_command(ctx, 'tasks', 'watch', shorts[0])}")


def next_command(ctx: click.Context, *words: str, data_dir: str | None = None) -> str:
    """A command line to type next, with the global options that this command was given.

    `data_dir` is named where the command could not know it otherwise.
    """
    flags = _root_flags(ctx)
    options: list[str] = []
    if flags["server"] is not None:
        options += ["--server", flags["server"]]
    directory = data_dir or flags["data_dir"]
    if directory is not None:
        options += ["--data-dir", directory]
    return shlex.join([PROGRAM, *options, *words])


def tell(text: str) -> None:
    """A remark for people, on stderr."""
    click.echo(f"{PROGRAM}: {with_short_ids(clean(text))}", err=True)


@contextmanager
def told_when_late(text: str, *, after_s: float) -> Iterator[None]:
    """Tells the person what a block waits for, where it lasts so long."""
    import threading

    telling = threading.Timer(after_s, tell, (text,))
    telling.daemon = True
    telling.start()
    try:
        yield
    finally:
        telling.cancel()


def tell_notes(ctx: click.Context, place: ConfigPlace) -> Sequence[str]:
    """Tells what people should know about the configuration there, and returns it."""
    notes = services_of(ctx).config_notes(place)
    for note in notes:
        tell(note)
    return notes


def show(ctx: click.Context, *lines: Line) -> None:
    """Lines on stdout, in colour where that is wanted."""
    is_coloured = terminal_of(ctx).is_coloured
    for line in lines:
        click.echo(to_text(line, is_coloured=is_coloured), color=is_coloured)


def show_folded(ctx: click.Context, *lines: Line) -> None:
    """Lines on stdout, broken between words where the terminal is narrower."""
    columns = terminal_of(ctx).columns
    if columns is None:
        show(ctx, *lines)
        return
    from ai_orchestrator.cli.folding import folded

    show(ctx, *(piece for a_line in lines for piece in folded(a_line, columns)))


def show_json(value: object) -> None:
    """One JSON document on one line of stdout."""
    import msgspec

    write_bytes(msgspec.json.encode(value) + b"\n")


def write_bytes(chunk: bytes) -> None:
    """Bytes on stdout as they are, at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
