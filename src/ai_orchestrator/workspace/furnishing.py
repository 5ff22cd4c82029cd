"""Bringing the extras of `environment.py` into a tree, and keeping them out of its commits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.workflow import EnvironmentSpec
from ai_orchestrator.workspace.disk import full_disk_explained
from ai_orchestrator.workspace.environment import (
    Extra,
    Furnished,
    bring,
    exclude_lines,
    find_extras,
    is_in_place,
    unmatched,
)
from ai_orchestrator.workspace.git import Call, Place, read_lines
from ai_orchestrator.workspace.work_tree import Ground, Home


async def furnish(home: Home, ground: Ground, checkout: Path, spec: EnvironmentSpec) -> Furnished:
    """The files that `copy:` and `link:` name are in the tree; those that were there stay.

    Raises `BadInputError` for a path that git tracks (it is in the tree already), and for what
    leads out of the checkout or the tree.
    """
    extras = await asyncio.to_thread(find_extras, checkout, spec.copy, spec.link)
    await _require_untracked(home, ground, extras)
    missing = [extra for extra in extras if not is_in_place(extra, ground.tree)]
    _exclude(ground.repository, [extra.path for extra in extras])
    with full_disk_explained(ground.tree):
        await asyncio.to_thread(bring, missing, ground.tree)
    linked = tuple(extra.source for extra in extras if extra.is_link)
    if linked:
        home.layout.links.write_bytes(b"\0".join(os.fsencode(path) for path in linked))
    return Furnished(
        paths=tuple(extra.path for extra in extras),
        linked=linked,
        unmatched=unmatched(checkout, (*spec.copy, *spec.link)),
    )


async def _require_untracked(home: Home, ground: Ground, extras: Sequence[Extra]) -> None:
    if not extras:
        return
    place = Place(
        ground.repository, ground.tree, ground.index, variables={"GIT_LITERAL_PATHSPECS": "1"}
    )
    paths = [extra.path for extra in extras]
    tracked = read_lines(await home.git.expect(place, Call(("ls-files", "-z", "--", *paths))))
    if tracked:
        raise BadInputError(
            f"environment: {tracked[0]} is tracked by git, so the work tree has it already.",
            hint="Take it out of copy: and link:, or ignore it in the repository.",
        )


def _exclude(repository: Path, paths: Sequence[str]) -> None:
    """Add the paths to what our git never records, whatever the repository ignores."""
    file = repository / "info/exclude"
    known = file.read_bytes().splitlines()
    added = [line for line in exclude_lines(paths).splitlines() if line not in known]
    if added:
        half = file.with_name("exclude.half")
        half.write_bytes(b"".join(line + b"\n" for line in (*known, *added)))
        half.replace(file)
