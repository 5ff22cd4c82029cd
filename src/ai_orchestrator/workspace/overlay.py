"""A tree made of two commits: one commit with some paths as another has them. No file is touched.

The verifiers' checkout is moved to such a tree, so git itself decides what a link or a folder in
the way means, and nothing of ours ever writes through a link that an agent committed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workspace.git import Call, Place
from ai_orchestrator.workspace.git_client import GitClient


async def compose(
    git: GitClient, place: Place, commit: str, base: str, paths: Sequence[str]
) -> str:
    """The id of a tree that equals `commit`, but for `paths` and all below them equals `base`.

    A path that the base does not have is absent in the result. Paths are taken literally;
    `BadInputError` for one that is not a plain relative path.
    """
    wanted = [checked_path(path) for path in paths]
    index = _scratch(place)
    scratch = replace(place, index=index, variables={"GIT_LITERAL_PATHSPECS": "1"})
    try:
        await git.output(scratch, "read-tree", commit)
        gone = removals(await _entries(git, scratch, commit, wanted), wanted, len(commit))
        kept = await _entries(git, scratch, base, wanted)
        call = ("update-index", "--replace", "-z", "--index-info")
        await git.output(scratch, *call, stdin=gone + kept)
        return await git.word(scratch, "write-tree")
    finally:
        index.unlink(missing_ok=True)
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)


async def _entries(git: GitClient, place: Place, commit: str, paths: Sequence[str]) -> bytes:
    arguments = ("ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths)
    return await git.expect(place, Call(arguments))


def removals(listing: bytes, paths: Sequence[str], id_chars: int) -> bytes:
    """Lines for `update-index --index-info` that remove the listed entries at or below `paths`."""
    records = (record.partition(b"\t")[2] for record in listing.split(b"\0") if record)
    nothing = b"0 " + b"0" * id_chars + b"\t"
    return b"".join(nothing + path + b"\0" for path in records if _is_under(path, paths))


def _is_under(path: bytes, paths: Sequence[str]) -> bool:
    return any(path == name or path.startswith(name + b"/") for name in map(_encoded, paths))


def _encoded(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def checked_path(path: str) -> str:
    """The path without a slash at its end, when it stays within the tree."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path or ".git" in parts:
        raise BadInputError(f"{path[:200]!r} is not a path within the repository.")
    return "/".join(parts)


def _scratch(place: Place) -> Path:
    directory = place.index.parent if place.index is not None else place.git_dir
    if directory is None:
        raise BadInputError("a tree can be composed in a repository only")
    return directory / f"scratch-{secrets.token_hex(4)}.index"
