"""The disposable `.git` of an agent's tree: it may do with it what it likes, nobody reads it.

It borrows all objects, so making one writes seven small files and copies the index: no process.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.skeleton import (
    BRANCH,
    Skeleton,
    agent_configuration,
    write_skeleton,
)


@dataclass(frozen=True, slots=True)
class Loan:
    """What an agent's `.git` is made from."""

    commit: str
    index: Path
    objects: tuple[Path, ...]
    shallow: bytes = b""
    exclude: bytes = b""


def lend(tree: Path, loan: Loan, staging: Path, trash: Trash) -> None:
    """`tree/.git` is a fresh repository at the commit, whatever the agent had left there.

    It is made at `staging`, in the same file system, and moved in whole.
    """
    trash.discard(staging)
    skeleton = Skeleton(
        objects=loan.objects,
        shallow=loan.shallow,
        refs=((f"refs/heads/{BRANCH}", loan.commit),),
        exclude=loan.exclude,
    )
    write_skeleton(staging, skeleton, agent_configuration(loan.commit))
    shutil.copy2(loan.index, staging / "index")  # with its time, by which git trusts its entries
    trash.discard(tree / ".git")
    staging.rename(tree / ".git")
