"""Checkouts that a task gave back, kept for the next one of the same repository.

Writing 20,000 files is by far the dearest thing here (0.8 s to 15 s); moving a checkout that is
there to another commit takes milliseconds. A pooled checkout is at a commit of the mirror and holds
nothing that git does not know, so no task sees what another one left.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.work_tree import Ground, WorkTree

POOL_SIZE = 2
"""A guess: two tasks in turn on one repository; each costs a checkout's room on the disk."""


class TreePool:
    """The pooled checkouts of one mirror. Claims are renames, so several processes may share it."""

    def __init__(self, mirror: Path, trash: Trash) -> None:
        self._directory = mirror.with_suffix(".pool")
        self._trash = trash

    async def give(self, tree: WorkTree, base: str) -> None:
        """Take over a checkout that is no longer needed; with enough of them it goes to the trash.

        `base` is a commit of the mirror: the task's own objects will be gone.
        """
        if not tree.is_made or len(self._entries()) >= POOL_SIZE:
            tree.forget()
            return
        self._trash.discard(tree.ground.tree / ".git")
        await tree.move_to(base, keep_ignored=False)
        self._keep(tree.ground)
        tree.forget()

    def take(self, ground: Ground) -> bool:
        """Whether a checkout now lies at `ground`; it must still be moved and settled there.

        Without the marker it counts as not made, so a kill in between costs a checkout, no more.
        """
        for entry in self._entries():
            claimed = ground.index.with_name("pooled")
            self._trash.discard(claimed)
            with contextlib.suppress(FileNotFoundError):
                entry.rename(claimed)
                self._move(claimed, ground)
                return True
        return False

    def _keep(self, ground: Ground) -> None:
        half = ground.index.with_name("pooled")
        self._trash.discard(half)
        half.mkdir(mode=0o700)
        ground.tree.rename(half / "tree")
        ground.index.rename(half / "index")
        self._directory.mkdir(mode=0o700, exist_ok=True)
        half.rename(self._directory / secrets.token_hex(8))

    def _move(self, claimed: Path, ground: Ground) -> None:
        (claimed / "tree").rename(ground.tree)
        (claimed / "index").rename(ground.index)
        claimed.rmdir()

    def _entries(self) -> list[Path]:
        return sorted(self._directory.iterdir()) if self._directory.is_dir() else []
