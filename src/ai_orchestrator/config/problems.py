"""What is wrong with a configuration, always as a list: people mend all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.task import Origin


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing to mend, as `file:line path: message`."""

    message: str
    """What is wrong and what to do, in sentences."""
    path: str = ""
    """Where in the document, such as `workflows.ship.steps[2].agent`; empty for the whole file."""
    source: str = ""
    """A file, `built-in`, `environment NAME` or `flag --name`; empty when nobody wrote it."""
    line: int | None = None

    @classmethod
    def at(cls, origin: Origin, path: str, message: str) -> ConfigProblem:
        """A problem with the value that came from `origin`."""
        return cls(message, path, origin.source, origin.line)

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        head = " ".join(part for part in (place, self.path) if part)
        return f"{head}: {self.message}" if head else self.message


class ConfigError(BadInputError):
    """A configuration that cannot be used, with everything that is wrong with it."""

    code = "config"

    def __init__(self, problems: Sequence[ConfigProblem], *, hint: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = tuple(problems)


def known_names(names: Iterable[str], wrong: str) -> str:
    """`Known: a, b. Did you mean 'a'?`, for a name that is not among `names`."""
    known = sorted(names)
    listed = f"Known: {', '.join(known)}." if known else "None is defined."
    close = difflib.get_close_matches(wrong, known, n=1)
    return f"{listed} Did you mean '{close[0]}'?" if close else listed
