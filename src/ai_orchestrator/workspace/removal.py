"""Removing trees that an agent has written: unreadable, absurdly deep, or full of strange files.

What is to go is first renamed into the data directory's trash, which takes no time and cannot be
half done; a thread removes it afterwards, and `empty` removes what a killed process left there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from ai_orchestrator.base.errors import EnvironmentProblemError

_CLOSE_LIMIT_S = 60.0


class Trash:
    """The place where directories go to be removed. Owns the one thread that removes them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="trash")
        self._pending: list[Future[None]] = []

    def discard(self, path: Path) -> None:
        """The path is free at once, whatever was there; a missing one is fine.

        Its content, never what a link in it leads to, is removed soon after.
        """
        try:
            self._move(path)
        except FileNotFoundError:
            return
        except PermissionError:  # an agent may have closed the folder above to its owner
            path.parent.chmod(0o700)
            self._move(path)

    def _move(self, path: Path) -> None:
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        path.chmod(0o700)  # moving a directory writes its "..", so its own mode counts
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._directory / secrets.token_hex(8)
        path.rename(target)
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.append(self._executor.submit(remove_tree, target))

    def empty(self) -> None:
        """Remove what earlier processes left; blocks until the trash is empty."""
        self.settle()
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(self._directory.iterdir()):
                remove_tree(entry)

    def settle(self) -> None:
        """Wait until all that was discarded here is gone. Raises what its removal raised."""
        done, late = wait(self._pending, timeout=_CLOSE_LIMIT_S)
        for future in done:
            future.result()
        if late:
            raise EnvironmentProblemError(
                f"{self._directory}: the disk did not remove everything in {_CLOSE_LIMIT_S:g} s."
            )

    def close(self) -> None:
        """End the thread after what it is at; the rest stays for the next `empty`."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def remove_tree(root: Path) -> None:
    """Nothing is at `root` any more. Follows no link; idempotent.

    Directories below are moved up to beside the root one by one, so no path grows longer than the
    system allows and nothing recurses: an agent can make a tree that is 100,000 levels deep. Hence
    the root stands in the trash, where a killed removal leaves nothing in anybody's way.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(root.lstat().st_mode):
            root.unlink()
            return
        _remove_directories(root)


def _remove_directories(root: Path) -> None:
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        directory.chmod(0o700)
        with os.scandir(directory) as entries:
            for entry in entries:
                path = Path(entry.path)
                if not entry.is_dir(follow_symlinks=False):
                    path.unlink()
                elif not _is_removed_when_empty(path):
                    path.chmod(0o700)
                    waiting.append(path.rename(root.with_name(secrets.token_hex(8))))
        directory.rmdir()


def _is_removed_when_empty(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def directory_bytes(root: Path) -> int:
    """Bytes on disk below `root`, hard links counted once; 0 where nothing is."""
    total, seen, waiting = 0, set[tuple[int, int]](), [root]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return total
