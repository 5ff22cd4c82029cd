"""Making a tree recordable again after an agent left it so that git stumbles over it.

Only called when git failed or had something to say: it walks the whole tree, which is slow. What
it does to the tree: opens what the agent closed to its owner, removes pipes, sockets and devices,
and removes the `.git` of repositories within the tree, so that their files are recorded like any
others instead of as a bare reference to a commit that nobody has.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ai_orchestrator.base.errors import PermanentError
from ai_orchestrator.workspace.removal import Trash


class UnrecordableTreeError(PermanentError):
    """What the agent left cannot be made a commit."""

    code = "unrecordable-tree"
    exit_code = 1


def make_accessible(root: Path) -> None:
    """Everything below `root` can be read, entered and removed by us; strange files are gone.

    Follows no link. Raises `UnrecordableTreeError` for paths beyond the system's limit, and for
    what is not ours.
    """
    with explained():
        waiting = [str(root)]
        while waiting:
            directory = waiting.pop()
            _allow(directory, os.lstat(directory).st_mode, 0o700)
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not entry.is_symlink():
                        _settle_file(entry)


@contextmanager
def explained() -> Iterator[None]:
    """What the system refuses, raised as `UnrecordableTreeError`."""
    try:
        yield
    except PermissionError as error:
        raise UnrecordableTreeError(
            f"The agent left files that belong to another user: {error.filename}."
        ) from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UnrecordableTreeError(
            f"The agent left folders nested deeper than paths can be long: "
            f"{str(error.filename)[:200]}…"
        ) from error


def _settle_file(entry: os.DirEntry[str]) -> None:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISREG(mode):
        _allow(entry.path, mode, 0o400)
    else:
        Path(entry.path).unlink()


def _allow(path: str, mode: int, wanted: int) -> None:
    if mode & wanted != wanted:
        Path(path).chmod(stat.S_IMODE(mode) | wanted)


def strip_repositories(tree: Path, folders: Iterable[str], trash: Trash) -> list[str]:
    """The `.git`s removed, as paths in the tree: those at and below the given folders."""
    stripped: list[str] = []
    for folder in folders:
        start = within(tree, folder)
        if start is not None:
            stripped += _strip_below(tree, start, trash)
    return sorted(stripped)


def _strip_below(tree: Path, start: Path, trash: Trash) -> list[str]:
    found, waiting = list[Path](), [start]
    with explained():
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name == ".git":
                        found.append(Path(entry.path))
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    for path in found:
        trash.discard(path)
    return [str(path.relative_to(tree)) for path in found]


def within(tree: Path, path: str) -> Path | None:
    """The folder at a path of the tree; None where it is none, or a link stands in the way.

    An agent may put a link in the place of any folder: following it would lead out of the tree.
    """
    current = tree
    for part in Path(path.rstrip("/")).parts:
        current = current / part
        if part == ".." or not is_folder(current):
            return None
    return current


def is_folder(path: Path) -> bool:
    """A folder is there, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
