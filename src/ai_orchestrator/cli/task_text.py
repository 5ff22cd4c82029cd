"""The text of a task, from the command line, a file or stdin; checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ai_orchestrator.base.errors import BadInputError, NotFoundError, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_BYTES = 262_144
_HINT = 'Say what is to be done, for example: ai-orchestrator run "Fix the failing test".'


def read_task(argument: str | None, file: str | None, stdin: Callable[[], BinaryIO]) -> str:
    """The task without blank ends. Exactly one of the two names a source, `-` being stdin.

    Raises `BadInputError` when there is none, two, no text, too much, or no UTF-8.
    """
    if argument is not None and file is not None:
        raise BadInputError(
            "The task was given twice: as TASK and by --task-file.", hint="Drop one."
        )
    source = file if argument in (None, "-") else None
    if argument is None and file is None:
        raise BadInputError("No task was given.", hint=_HINT)
    if argument == "-" or source == "-":
        return _checked(stdin().read(LIMIT_BYTES + 1), "stdin")
    if source is not None:
        return _checked(_read_file(source), source)
    assert argument is not None
    return _checked(argument.encode("utf-8", errors="surrogateescape"), "TASK")


def _read_file(name: str) -> bytes:

    try:
        with Path(name).open("rb") as stream:
            return stream.read(LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"--task-file {name}: there is no such file.") from error
    except OSError as error:
        raise BadInputError(
            f"--task-file {name}: {shorten(error.strerror or str(error))}."
        ) from error


def _checked(raw: bytes, where: str) -> str:
    if len(raw) > LIMIT_BYTES:
        raise BadInputError(
            f"{where}: the task is longer than 256 KB.",
            hint="Put long material into the repository and name its path in the task.",
        )
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadInputError(f"{where}: the task is not UTF-8 at byte {error.start}.") from error
    if "\0" in text:
        raise BadInputError(
            f"{where}: the task holds a NUL character, so it is no text.",
            hint="Name a text file; another kind belongs into the repository.",
        )
    if not text:
        raise BadInputError(f"{where}: the task is empty.", hint=_HINT)
    return text
