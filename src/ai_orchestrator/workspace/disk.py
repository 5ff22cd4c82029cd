"""Room on the disk, asked before work begins: half a tree helps nobody."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ai_orchestrator.workspace.git import full_disk

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
        raise full_disk(
            f"{directory} needs {wanted_bytes // _MIB} MiB, but only {free_bytes // _MIB} MiB are "
            "free on its disk."
        )


@contextmanager
def full_disk_explained(directory: Path) -> Iterator[None]:
    """A full disk or quota met by our own writing becomes a `DiskFullError`, as git's does."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise full_disk(f"No room left on the disk of {directory}.") from error


def _nearest(directory: Path) -> Path:
    while not directory.exists():
        directory = directory.parent
    return directory
