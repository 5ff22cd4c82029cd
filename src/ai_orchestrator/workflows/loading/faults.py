"""What is wrong in a document while it is looked through: places as keys, gathered, never raised.

`shape` and the compiling modules add to it; `load` turns it into problems with file and line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ai_orchestrator.config.document_path import Keys, format_path, origin_of
from ai_orchestrator.config.problems import ConfigProblem
from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.workflows.loading.words import argv, duration_s


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the value at a place."""

    keys: Keys
    message: str


@dataclass(slots=True)
class Faults:
    """Faults in the order in which they were found, each once."""

    found: dict[Fault, None] = field(default_factory=dict)
    lacks: dict[str, None] = field(default_factory=dict)
    """What the machine lacks, as sentences: the document is right, but cannot be run here."""
    notes: dict[Fault, None] = field(default_factory=dict)
    """What is right, and still not what a reader would expect."""

    def add(self, keys: Keys, message: str) -> None:
        """Notes a fault; the same one twice counts once."""
        self.found[Fault(keys, message)] = None

    def note(self, keys: Keys, message: str) -> None:
        """Notes something that a person should know."""
        self.notes[Fault(keys, message)] = None

    def lack(self, sentence: str) -> None:
        """Notes something that the machine lacks."""
        self.lacks[sentence] = None


def read_argv(keys: Keys, command: str | Sequence[str], faults: Faults) -> tuple[str, ...]:
    """The words of a command; none, with a fault, when it cannot be read."""
    try:
        return argv(command)
    except ValueError as error:
        faults.add(keys, f"{error}.")
        return ()


def read_duration_s(
    keys: Keys, value: float | str | None, default_s: float, faults: Faults
) -> float:
    """Seconds; the default, with a fault where there is one, for what is no duration."""
    try:
        return default_s if value is None else duration_s(value)
    except ValueError as error:
        faults.add(keys, f"{error}.")
        return default_s


def as_problems(faults: Iterable[Fault], config: ResolvedConfig) -> list[ConfigProblem]:
    """The faults with the origin of the value, or of the nearest one around it."""
    return [
        ConfigProblem.at(
            origin_of(config.origins, fault.keys), format_path(fault.keys), fault.message
        )
        for fault in faults
    ]
