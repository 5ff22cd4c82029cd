"""Sets a ref of a task's own repository without a process: every step of a task ends with one.

Written as git's files back end writes a loose ref (gitrepository-layout(5)): one line in a file
beside it, flushed, then renamed. These repositories pack no refs and keep no log of them. Git's own
lock would guard an old value against others; here whoever comes last is right.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ai_orchestrator.workspace.disk import full_disk_explained
from ai_orchestrator.workspace.git import check_commit


def set_ref(repository: Path, ref: str, commit: str) -> None:
    """The ref names the commit; whoever reads it meanwhile finds the old name or the new one.

    Blocks. Flushed as git does it: the content, and by the journal of most file systems the name
    with whatever is flushed next. Raises `DiskFullError`.
    """
    path = repository / ref
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}.lock")
    with full_disk_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with half.open("x") as file:
                file.write(f"{check_commit(commit)}\n")
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        except BaseException:
            half.unlink(missing_ok=True)
            raise
