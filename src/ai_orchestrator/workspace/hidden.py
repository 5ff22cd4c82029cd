"""Removing from a checkout what git never looks at, so that `clean` cannot remove it either.

Git passes over every `.git` in a folder that has tracked files, and over all that lies in the
folder of a submodule: `add` does not record it, `clean` leaves it, and neither says so. An agent
could leave there what the next task's git or verifiers then read. Called by `WorkTree` when a
checkout has been cleaned, not at the steps of an agent: it walks all folders (20,000 files in
1,000 of them: 40 ms to 80 ms on two busy cores).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.repair import explained, is_folder, strip_repositories, within


def discard_hidden(tree: Path, submodules: Iterable[str], trash: Trash) -> list[str]:
    """What was found and is gone: each `.git`, and what was in the folders of submodules.

    For a tree in which no process runs any more. Follows no link. Raises
    `UnrecordableTreeError` for what cannot be read.
    """
    with explained():
        filled = [path for path in submodules if _is_emptied(tree, path, trash)]
        return filled + strip_repositories(tree, [""], trash)


def _is_emptied(tree: Path, submodule: str, trash: Trash) -> bool:
    """Whether something else than an empty folder was there."""
    path = PurePosixPath(submodule)
    parent = within(tree, str(path.parent))
    if parent is None:  # whatever stands in the way, git has just made it equal the commit
        return False
    place = parent / path.name
    if not os.path.lexists(place) or _is_empty(place):
        return False
    trash.discard(place)
    place.mkdir()
    return True


def _is_empty(place: Path) -> bool:
    try:
        return is_folder(place) and not any(place.iterdir())
    except PermissionError:  # closed to its owner, who may well move it away
        return False
