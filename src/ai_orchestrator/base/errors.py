"""The two families of errors, and what each means outside: exit code and HTTP status.

Every error that a person or a program can meet derives from `TemporaryError` (the same call may
succeed later) or `PermanentError` (it will not). `code` is stable: the same word stands in the
API, in logs, in metrics and in the reference.
"""

from __future__ import annotations

FOREIGN_TEXT_LIMIT_CHARS = 500  # a guess: enough for one sentence and a path, too short for a dump


class OrchestratorError(Exception):
    """Base of both families; never raised itself."""

    code: str = "internal"
    exit_code: int = 70
    http_status: int = 500

    details: tuple[str, ...] = ()
    """Where there are several things wrong at once: a line for each."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class TemporaryError(OrchestratorError):
    """Trying again after `delay_s` seconds may work."""

    code = "temporary"
    exit_code = 1
    http_status = 503

    def __init__(self, message: str, *, delay_s: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.delay_s = delay_s


class PermanentError(OrchestratorError):
    """Trying again without a change will not work."""


class BadInputError(PermanentError):
    """What was asked for is wrong: a flag, a file, a request."""

    code = "bad-input"
    exit_code = 2
    http_status = 422


class NotFoundError(BadInputError):
    """What was named does not exist."""

    code = "not-found"
    http_status = 404


class ConflictError(BadInputError):
    """The state of the thing does not allow the request."""

    code = "conflict"
    http_status = 409


class EnvironmentProblemError(PermanentError):
    """The machine lacks something: a tool, disk space, a green base, a readable database."""

    code = "environment"
    exit_code = 3
    http_status = 503


class UnreachableError(PermanentError):
    """No server answered, or it refused who we are."""

    code = "unreachable"
    exit_code = 7
    http_status = 401


class InternalError(PermanentError):
    """A defect of the orchestrator."""

    code = "internal"


def shorten(foreign: str) -> str:
    """`foreign` on one line and at most `FOREIGN_TEXT_LIMIT_CHARS` characters long."""
    line = " ".join(foreign.split())
    if len(line) <= FOREIGN_TEXT_LIMIT_CHARS:
        return line
    return line[: FOREIGN_TEXT_LIMIT_CHARS - 1] + "…"
