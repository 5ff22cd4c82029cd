"""Sets a ref of a task's own repository without a process: every step of a task ends with one.

Written as git's files back end writes a loose ref (gitrepository-layout(5)): one line in a file
beside it, flushed, then renamed. No lock is taken as git takes one, since whoever sets refs of a
task owns the task, and git is not told the old value. These repositories pack no refs and keep no
log of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from ai_orchestrator.workspace.disk import full_disk_explained
from ai_orchestrator.workspace.git import check_commit


def set_ref(repository: Path, ref: str, commit: str) -> None:
    """The ref names the commit, also after a power cut. Blocks. Raises `DiskFullError`."""
    path = repository / ref
    half = path.with_name(f"{path.name}.lock")
    with full_disk_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("w") as file:
            file.write(f"{check_commit(commit)}\n")
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
