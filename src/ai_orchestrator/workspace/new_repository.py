"""`--output DIR`: a repository that a task began from nothing.

The work starts from an empty commit in a mirror of its own; at the end the command line writes the
result into the directory, which must be unused until then.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError, ConflictError
from ai_orchestrator.workspace.apply import Applied, Result, bring
from ai_orchestrator.workspace.git import CHECKOUT_TIMEOUT_S, Call, Place
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.removal import remove_tree

BRANCH = "main"


def require_unused(directory: Path) -> None:
    """Raise `BadInputError` unless nothing, or an empty directory, is there."""
    if not directory.is_absolute():
        raise BadInputError(f"{directory}: must be an absolute path.")
    if directory.is_dir() and not directory.is_symlink() and not any(directory.iterdir()):
        return
    if directory.exists() or directory.is_symlink():
        raise BadInputError(
            f"{directory} exists and is not an empty directory.",
            hint="Choose another directory; work on an existing repository starts from its path.",
        )


async def create(git: GitClient, directory: Path, result: Result) -> Applied:
    """The directory is a repository whose branch `main` is the result, checked out.

    It appears whole or not at all. Raises `ConflictError` when the directory is in use by now.
    """
    try:
        require_unused(directory)
    except BadInputError as error:
        raise ConflictError(error.message, hint=error.hint) from error
    directory.parent.mkdir(parents=True, exist_ok=True)
    half = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    try:
        tip = await _fill(git, half, result)
        half.rename(directory)
    finally:
        remove_tree(half)
    place = Place(directory / ".git", directory, is_ours=False)
    tree = await git.word(place, "rev-parse", f"{tip}^{{tree}}")
    return Applied("new-repository", BRANCH, tip, tree == result.verified_tree, is_new=True)


async def _fill(git: GitClient, directory: Path, result: Result) -> str:
    place = Place(None, is_ours=False)
    initialise = ("init", "--quiet", "--template=", f"--initial-branch={BRANCH}", str(directory))
    await git.expect(place, Call(initialise, cwd=directory.parent))
    place = replace(place, git_dir=directory / ".git", work_tree=directory)
    tip = await bring(git, place, result)
    await git.output(place, "update-ref", f"refs/heads/{BRANCH}", tip)
    checkout = ("read-tree", "--reset", "-u", tip)
    await git.expect(
        place,
        Call(checkout, may_start_programs=True, cwd=directory, timeout_s=CHECKOUT_TIMEOUT_S),
    )
    return tip
