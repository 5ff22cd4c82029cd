"""What the command line was told, in types of its own: plain values, nothing looked up.

Made by the commands, handed to `wiring`, which finds out everything that was left open (None).
Imported on every start, `--help` included: nothing heavy may be imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ai_orchestrator.model.task import RunOptions


@dataclass(frozen=True, slots=True)
class CliSettings:
    """Which server a command talks to, and how."""

    cwd: Path
    """Absolute working directory of the command."""
    data_dir: Path | None = None
    """`--data-dir`; None: AI_ORCHESTRATOR_HOME, else the XDG data directory."""
    server: str | None = None
    """`--server` URL; None: the runner of the data directory."""
    config_file: Path | None = None
    """`-c`, absolute; it replaces the search for configuration files."""
    in_process: bool = False
    """The runner lives in this command and ends with it."""
    may_start: bool = True
    """A runner may be started where none runs. False for shell completion, which must be quick."""
    is_looking: bool = False
    """The command changes nothing, so files will do where no runner can be had."""
    verbose: int = 0
    """How often `-v` was given."""


@dataclass(frozen=True, slots=True)
class ConfigPlace:
    """Where configuration and workflows are looked for."""

    cwd: Path
    config_file: Path | None = None
    """`-c`, absolute; it replaces the search."""
    repository: Path | None = None
    """`--repo`, absolute; None: the repository that holds `cwd`, if any."""
    data_dir: Path | None = None
    """`--data-dir`, absolute: what is trusted is recorded there."""
    has_no_repository: bool = False
    """Not even that of `cwd` counts: the task's is elsewhere."""


@dataclass(frozen=True, slots=True)
class RunArguments:
    """Everything that `run` was told."""

    task: str
    """The text of the task: never empty, at most 256 KB of UTF-8."""
    settings: CliSettings
    options: RunOptions
    repository: str | None = None
    """`--repo` as typed, a path or a URL; None: the repository that holds `cwd`."""
    ref: str | None = None
    include_dirty: bool = False
    workflow: str | None = None
    output: Path | None = None
    """`-o`, absolute: a directory in which a repository with the result is to be made."""
    idempotency_key: str | None = None
