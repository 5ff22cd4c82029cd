"""The entry point `ai-orchestrator`: the table of commands, the global options, the way out.

Imported on every start; only Click may be heavy here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

import click

from ai_orchestrator import __version__
from ai_orchestrator.cli.app import PROGRAM, App
from ai_orchestrator.cli.failures import OutputGoneError, report
from ai_orchestrator.cli.interrupts import DetachRequestedError
from ai_orchestrator.cli.lazy import Entry, LazyGroup
from ai_orchestrator.cli.streams import OutputLostError, drop_output, prepare_streams
from ai_orchestrator.model.states import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HERE = "ai_orchestrator.cli"


class RootGroup(LazyGroup):
    """All commands of the program."""

    entries: ClassVar[Mapping[str, Entry]] = {
        "run": Entry(f"{_HERE}.run:run", "Give a task to the agents and watch it."),
        "tasks": Entry(f"{_HERE}.tasks:tasks", "List, watch, inspect, apply and end tasks."),
        "agents": Entry(f"{_HERE}.agents:agents", "Show which agents are ready, and why not."),
        "workflows": Entry(f"{_HERE}.workflows:workflows", "Show the workflows that run accepts."),
        "validate": Entry(f"{_HERE}.validate:validate", "Check configuration and workflows."),
        "trust": Entry(f"{_HERE}.trust:trust", "Use the configuration a repository carries."),
        "config": Entry(f"{_HERE}.config:config", "Show or create the configuration."),
        "doctor": Entry(f"{_HERE}.doctor:doctor", "Check this machine and say what to do."),
        "demo": Entry(f"{_HERE}.demo:demo", "See a whole task without any key."),
        "gc": Entry(f"{_HERE}.gc:gc", "Remove what is no longer needed."),
        "version": Entry(f"{_HERE}.version:version", "Print the version."),
        "completion": Entry(f"{_HERE}.completion:completion", "Print a shell's completion script."),
    }

    def invoke(self, ctx: click.Context) -> object:
        """As Click does; a closed pipe gets a name, which Click would turn into exit status 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise OutputGoneError from error


class _NoColor(click.Option):
    """A flag that is also set by any value of its variable (https://no-color.org)."""

    def value_from_envvar(self, ctx: click.Context) -> str | None:
        """True, as Click reads it, when the variable has any value."""
        return None if self.resolve_envvar_value(ctx) is None else "true"


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001  # Click's signature
    del param
    if value and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {__version__}")
        ctx.exit()


@click.group(
    name=PROGRAM,
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--server", metavar="URL", help="Talk to this server instead of the local runner.")
@click.option(
    "--data-dir", metavar="DIR", help="Data directory. Default: AI_ORCHESTRATOR_HOME, else XDG's."
)
@click.option(
    "--no-color", cls=_NoColor, is_flag=True, envvar="NO_COLOR", help="Plain text. Also: NO_COLOR."
)
@click.option("--term", envvar="TERM", hidden=True, help="The kind of terminal. Default: TERM.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli(server: str | None, data_dir: str | None, no_color: bool, term: str | None) -> None:  # noqa: FBT001
    """Run teams of coding agents on a git repository, durably, and see proof when they are done.

    \b
    Start with:
      ai-orchestrator demo
      ai-orchestrator doctor
      ai-orchestrator run "what you want done"    (inside a repository)
    """  # noqa: D301  # Click's mark for text that is not to be wrapped
    del no_color, term
    if server is not None and data_dir is not None:
        raise click.UsageError(
            "--server and --data-dir exclude each other: the server has its own."
        )


def execute(args: Sequence[str], app: App) -> int:
    """Runs one command line and returns its exit code; says what went wrong, if anything did."""
    try:
        code: object = cli.main(list(args), prog_name=PROGRAM, standalone_mode=False, obj=app)
        sys.stdout.flush()
    except (OutputGoneError, BrokenPipeError):
        drop_output()
        return ExitCode.SUCCESS
    except OutputLostError as error:
        drop_output()
        return report(error, args)
    except (Exception, KeyboardInterrupt, DetachRequestedError) as error:  # noqa: BLE001  # the top
        return report(error, args)
    return code if isinstance(code, int) else ExitCode.SUCCESS


def main() -> int:
    """What the console script calls."""
    prepare_streams()
    return execute(sys.argv[1:], App())
