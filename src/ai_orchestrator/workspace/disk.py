"""Room on the disk, asked before work begins: half a tree helps nobody."""

from __future__ import annotations

import shutil
from pathlib import Path

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.workspace.git import DiskFullError

RESERVE_BYTES = 256 << 20
"""A guess: logs, the database and one step's objects fit in it many times."""

_MIB = 1 << 20


def require_free(directory: Path, needed_bytes: int) -> None:
    """Return when `needed_bytes` and the reserve are free. Raises `DiskFullError`.

    `directory` need not exist yet; the nearest one above it that does is asked.
    """
    free_bytes = shutil.disk_usage(_nearest(directory)).free
    wanted_bytes = needed_bytes + RESERVE_BYTES
    if free_bytes < wanted_bytes:
        raise _full(directory, free_bytes, wanted_bytes)


def _nearest(directory: Path) -> Path:
    while not directory.exists():
        directory = directory.parent
    return directory


def _full(directory: Path, free_bytes: int, wanted_bytes: int) -> OrchestratorError:
    return DiskFullError(
        f"{directory} needs {wanted_bytes // _MIB} MiB, but only {free_bytes // _MIB} MiB are free "
        "on its disk.",
        hint="Free some space (`ai-orchestrator gc` removes old trees), or set "
        "AI_ORCHESTRATOR_HOME to a larger disk.",
    )
