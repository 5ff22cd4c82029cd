"""A commit of the user's uncommitted changes, made without touching index, tree or repository.

The work is done in a repository of its own that borrows from the mirror, so that no other task's
agents can read what was not committed; with a copy of the user's index (for its stat data,
so that unchanged files are not read) and the user's tree, which is only read. Filters do not run:
a changed file under Git LFS becomes part of the commit as it is.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workspace.git import CHECKOUT_TIMEOUT_S, Call, Place, identity, read_lines
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.mirror import Mirror
from ai_orchestrator.workspace.source import SourceState

_MESSAGE = b"Uncommitted changes at the start of the task\n"


async def take_snapshot(git: GitClient, mirror: Mirror, state: SourceState, parent: str) -> str:
    """A commit beside the mirror that equals the user's tree, ignored files left out.

    The parent itself when nothing differs; the same commit for the same content.
    Raises `BadInputError` where the tree cannot be told from its index.
    """
    await _require_plain(git, state)
    made = mirror.new_snapshot(parent)
    try:
        with _index_copy(mirror.directory, state) as index:
            place = Place(made, state.top, index)
            await git.output(place, "read-tree", "--reset", parent)
            await _stage(git, place, state)
            tree = await git.word(place, "write-tree")
        if tree == await git.word(mirror.place, "rev-parse", f"{parent}^{{tree}}"):
            return parent
        commit = await _commit(git, made, tree, parent)
        mirror.keep_snapshot(made, commit)
    finally:
        mirror.drop(made)
    return commit


async def _stage(git: GitClient, place: Place, state: SourceState) -> None:
    """Changed and untracked files, and what was staged against the ignore rules."""
    await _add(git, place, ("--update",))
    listing = Call(("ls-files", "--others", "--exclude-standard", "-z"), cwd=state.top)
    others = read_lines(await git.expect(state.place(), listing))
    wanted = [path for path in (*others, *state.changed) if _is_plain(state.top, path)]
    if wanted:
        names = b"\0".join(os.fsencode(path) for path in wanted)
        listed = ("--force", "--pathspec-from-file=-", "--pathspec-file-nul")
        await _add(git, place, listed, names)


def _is_plain(top: Path, path: str) -> bool:
    """A file or link; git lists a repository within the tree, which stays out, as a folder."""
    return (top / path).is_symlink() or (top / path).is_file()


async def _add(git: GitClient, place: Place, options: tuple[str, ...], stdin: bytes = b"") -> None:
    literal = replace(place, variables={"GIT_LITERAL_PATHSPECS": "1"})
    call = Call(
        ("add", *options),
        stdin,
        may_start_programs=True,  # `git status` in the user's own submodules
        cwd=place.work_tree,
        timeout_s=CHECKOUT_TIMEOUT_S,
    )
    await git.expect(literal, call)


async def _commit(git: GitClient, made: Path, tree: str, parent: str) -> str:
    date = await git.word(Place(made), "show", "-s", "--format=@%ct +0000", parent)
    fixed = Place(made, variables=identity(date))
    return await git.word(fixed, "commit-tree", tree, "-p", parent, stdin=_MESSAGE)


async def _require_plain(git: GitClient, state: SourceState) -> None:
    if state.conflicts:
        raise BadInputError(
            f"{state.top} has unresolved conflicts: {', '.join(state.conflicts[:5])}.",
            hint="Resolve them before starting from uncommitted changes.",
        )
    sparse = Call(("config", "--type=bool", "--get", "core.sparseCheckout"))
    if (await git.ask(state.place(), sparse)).stdout.strip() == b"true":
        raise BadInputError(
            f"{state.top} is a sparse checkout; its uncommitted changes cannot be told from "
            "files that are not checked out.",
            hint="Commit or stash the changes, then run without --include-dirty.",
        )


@contextmanager
def _index_copy(mirror: Path, state: SourceState) -> Iterator[Path]:
    """A private copy of the user's index; none where it is split, since its parts are not here."""
    copy = mirror.with_suffix(f".index-{secrets.token_hex(4)}")
    original = state.git_dir / "index"
    try:
        if original.is_file() and not any(state.git_dir.glob("sharedindex.*")):
            shutil.copy2(original, copy)  # with its time, by which git knows what it cannot trust
        yield copy
    finally:
        copy.unlink(missing_ok=True)
        copy.with_name(f"{copy.name}.lock").unlink(missing_ok=True)
