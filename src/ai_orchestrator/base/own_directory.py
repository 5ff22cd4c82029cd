"""The data directory as a place to write: asked before anything is put there, in one wording.

Called by the client before it starts a runner, and by `doctor`.
"""

from __future__ import annotations

import os
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError

_HINT = "Check its mode and owner, or name another one by --data-dir or AI_ORCHESTRATOR_HOME."


def make_usable(directory: Path) -> None:
    """The data directory is there and can be written. Raises `EnvironmentProblemError`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        what = "is a file" if directory.is_file() else f"cannot be made: {error.strerror}"
        raise EnvironmentProblemError(f"data directory {directory} {what}.", hint=_HINT) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise EnvironmentProblemError(f"data directory {directory} is not writable.", hint=_HINT)
