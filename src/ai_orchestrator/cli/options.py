"""Options that several commands share: one name and one meaning everywhere."""

# ruff: noqa: PLC0415  # what is slow to import waits until it is called: --help must be quick
from __future__ import annotations

import click

from ai_orchestrator.base.errors import BadInputError, shorten
from ai_orchestrator.cli.completing import complete_step, complete_task

SEVERITIES = ("low", "medium", "high", "critical")
"""As `model.review.Severity`; a test holds them equal, importing it would slow `--help`."""
SANDBOX_MODES = ("required", "best-effort", "off")


def comma_separated(listed: str | None) -> tuple[str, ...]:
    """The names of `--agents A,B`, each once; none where the option was not given."""
    if listed is None:
        return ()
    names = tuple(name.strip() for name in listed.split(","))
    if not all(names):
        raise click.BadParameter(
            f"{listed!r} has an empty name. Write: --agents claude,codex", param_hint="--agents"
        )
    return tuple(dict.fromkeys(names))


class Money(click.FloatRange):
    """An amount of dollars, more than nothing and at most what a file may say."""

    name = "amount in dollars"

    def __init__(self) -> None:
        super().__init__(0, 1_000_000, min_open=True)

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. No comparison holds for what is none, so the range does not refuse it."""
        number = float(super().convert(value, param, ctx))
        if number != number:  # noqa: PLR0124  # as math.isnan, which costs an import
            self.fail(f"{number} is not in the range {self._describe_range()}.", param, ctx)
        return number


def checked_task(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """The name of a task, checked before anybody is asked. Raises `BadInputError`."""
    from ai_orchestrator.model.ids import may_name_task

    del param
    if ctx.resilient_parsing or may_name_task(text):
        return text
    raise BadInputError(
        f"{shorten(ascii(text))} is no task id: one looks like a1m3k9x2.",
        hint="`ai-orchestrator tasks` lists them. The whole one of --json does as well.",
    )


def checked_step(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """The name of a step as it was typed. Raises `BadInputError` for what is no text."""
    del param
    if text is None or ctx.resilient_parsing or text.isprintable():
        return text
    raise BadInputError(
        f"--step {shorten(ascii(text))} is no name of a step.",
        hint="`ai-orchestrator tasks show TASK` lists them.",
    )


json_option = click.option(
    "--json", "is_json", is_flag=True, help="Print JSON for programs, one document per line."
)
config_option = click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    help="Configuration file; it replaces the search for one.",
)
repo_option = click.option(
    "--repo",
    "repository",
    metavar="PATH",
    help="Look at this repository. Default: the one that holds the working directory.",
)
plain_option = click.option(
    "--plain", "is_plain", is_flag=True, help="One line per event instead of the live view."
)
verbose_option = click.option(
    "-v", "--verbose", count=True, help="Also show what agents say and which tools they use."
)
no_wait_option = click.option(
    "--no-wait",
    "is_not_waiting",
    is_flag=True,
    help="Exit when the task waits: 6 for a person, 5 for a quota or a budget.",
)
task_argument = click.argument(
    "task_id", metavar="TASK", callback=checked_task, shell_complete=complete_task
)
step_option = click.option(
    "--step",
    metavar="STEP",
    callback=checked_step,
    shell_complete=complete_step,
    help="Only this step, as `tasks show` names it: `improve/refine`, or 'improve/refine #2'.",
)
attempt_option = click.option(
    "--attempt",
    metavar="N",
    type=click.IntRange(min=1),
    help="The work of this attempt of the task. Default: the last one.",
)
force_option = click.option("--force", "is_forced", is_flag=True, help="Also what was not applied.")
