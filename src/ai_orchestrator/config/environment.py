"""The process environment as a value: read once, here alone, and passed down.

The command line and the server take `Environment.of_process()` when they start; everything else
is handed the snapshot.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables, working directory and home of the process, as they were when it started."""

    variables: Mapping[str, str]
    working_directory: Path
    """Absolute."""
    home: Path
    """Absolute."""

    @classmethod
    def of_process(cls) -> Environment:
        """This process's environment now."""
        return cls(dict(os.environ), working_directory(), _home())

    def get(self, name: str) -> str | None:
        """The variable's value; None when it is not set, or empty, which means the same here."""
        return self.variables.get(name) or None

    def path(self, name: str) -> Path | None:
        """The variable as an absolute path, `~` and the working directory put in; None unset."""
        value = self.get(name)
        return None if value is None else self.absolute(value)

    def absolute(self, value: str) -> Path:
        """A path as a person types it, made absolute. Links stay as they are."""
        if value == "~" or value.startswith("~/"):
            value = f"{self.home}{value[1:]}"
        return Path(os.path.normpath(self.working_directory / value))


def working_directory() -> Path:
    """Where the process stands. Raises `EnvironmentProblemError` where that is gone."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise EnvironmentProblemError(
            "The working directory does not exist any more.", hint="Change to one that does."
        ) from error


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise EnvironmentProblemError(
            "This user has no home directory.", hint="Set HOME to a directory."
        ) from error
