"""How a server's log reads: with the process and the place, and without a secret.

The runner writes it to its standard error, which the client has made a file; a server in a thread
of a command appends to that file itself, since the command's own output is for people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError

LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class Redacting(logging.Formatter):
    """No secret of a running task reaches the log, whatever an error's text repeats."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(LOG_FORMAT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its trace."""
        return self._redact(super().format(record))


def log_file(data_dir: Path, redact: Callable[[str], str]) -> logging.Handler:
    """The log of a data directory as a handler; to be closed. Raises `EnvironmentProblemError`."""
    path = data_dir / "logs" / "runner.log"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblemError(
            f"the log {path} cannot be written: {error.strerror}.",
            hint="Check the mode of its directory and the free space.",
        ) from error
    handler.setFormatter(Redacting(redact))
    return handler
