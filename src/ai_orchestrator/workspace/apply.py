"""Bringing the result of a task into the user's repository; the only code that writes there.

Run by the command line on the user's machine, from a bundle that the server gave: as a branch, as
a merge into the current branch, or as a patch. The chain of step commits is kept, so that each
change names its agent. On top of it `apply` makes one commit with the trailer `Verified`, when the
final tree is the one that was verified. The user's hooks do not run: with a tool such as husky
they lie in the tree, where an agent may have written them.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from ai_orchestrator.base.errors import BadInputError, ConflictError
from ai_orchestrator.model.ids import branch_name
from ai_orchestrator.workspace.git import (
    CHECKOUT_TIMEOUT_S,
    Call,
    GitFailedError,
    Place,
    check_commit,
    failure,
    identity,
    read_lines,
)
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.source import SourceState, check_name, inspect, resolve_name

_SUBJECT_CHARS = 72
_LISTED_PATHS = 10
_WITHOUT_A_BRANCH = "Or apply without that branch: --merge, --patch FILE or --output DIR."
_FETCH = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"),
    "--no-recurse-submodules",
)
_MERGE = ("merge", "--quiet", "--ff", "--commit", "--no-squash", "--no-edit", "--no-stat")


@dataclass(frozen=True, slots=True)
class Result:
    """A finished task's result, as the server gave it."""

    task_id: str
    title: str
    bundle: Path
    ref: str
    """The ref in the bundle that names the final commit."""
    base: str
    commit: str
    verified_tree: str | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done."""

    how: Literal["branch", "merge", "new-repository"]
    branch: str
    commit: str
    """What the branch points at now."""
    is_verified: bool
    """The tree of that commit is the one that was verified."""
    is_new: bool
    """False when it had been applied already and nothing was changed."""


async def to_branch(
    git: GitClient, repository: Path, result: Result, *, branch: str | None = None
) -> Applied:
    """A new branch with the result; index, tree and current branch stay as they are.

    Raises `ConflictError` when a branch of that name has other content, or cannot be made.
    """
    place = (await inspect(git, repository)).place()
    name = branch or branch_name(result.task_id, result.title)
    await _require_branch_name(git, place, name)
    tip = await bring(git, place, result)
    found = await resolve_name(git, place, f"refs/heads/{name}")
    if found is None:
        await _require_no_clash(git, place, name)
        await _create_branch(git, place, name, tip)
    elif found != tip:
        raise ConflictError(
            f"{repository}: branch {name} exists and has other content.",
            hint=f"Rename it: git branch -m {name} NEW. {_WITHOUT_A_BRANCH}",
        )
    is_verified = await _is_verified(git, place, tip, result)
    return Applied("branch", name, tip, is_verified, is_new=found is None)


async def has_no_history(git: GitClient, repository: Path) -> bool:
    """The repository has no commit under any name, as right after `git init`."""
    state = await inspect(git, repository)
    if state.head is not None:
        return False
    refs = await git.output(state.place(), "for-each-ref", "--count=1", "--format=%(refname)")
    return not refs.strip()


async def merge(git: GitClient, repository: Path, result: Result) -> Applied:
    """The result merged into the current branch.

    Raises `ConflictError` when the tree has uncommitted changes, HEAD is on no branch, or the
    merge does not go through; then it is aborted and everything is as before.
    """
    state = await inspect(git, repository)
    branch = _require_mergeable(state)
    place = replace(state.place(), variables={})
    tip = await bring(git, place, result)
    if state.head is not None and await _contains(git, place, state.head, tip):
        return Applied(
            "merge",
            branch,
            state.head,
            await _is_verified(git, place, state.head, result),
            is_new=False,
        )
    message = f"{_subject(result)}\n\nAI-Orchestrator-Task: {result.task_id}"
    call = Call(
        (*_MERGE, "-m", message, tip),
        may_start_programs=True,
        cwd=state.top,
        timeout_s=CHECKOUT_TIMEOUT_S,
    )
    answer = await git.ask(place, call)
    if not answer.is_success:
        raise await _abort(git, place, state, answer.complaint)
    head = await git.word(place, "rev-parse", "--verify", "HEAD")
    return Applied("merge", branch, head, await _is_verified(git, place, head, result), is_new=True)


async def write_patch(git: GitClient, repository: Path, result: Result, target: Path) -> int:
    """The bytes of the patch from base to result that now stands at `target`.

    The user's repository is only read: the bundle is unpacked beside it.
    """
    state = await inspect(git, repository)
    with tempfile.TemporaryDirectory(prefix="ai-orchestrator-") as objects:
        variables = {
            "GIT_OBJECT_DIRECTORY": objects,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(state.common_dir / "objects"),
        }
        place = replace(state.place(), variables=variables)
        unbundle = Call(("bundle", "unbundle", str(result.bundle)), may_start_programs=True)
        answer = await git.ask(place, unbundle)
        if not answer.is_success:
            raise _missing_start(result, answer.complaint)
        await git.expect(place, _patching(result, target))
    return _size(target)


async def bring(git: GitClient, place: Place, result: Result) -> str:
    """The commit to point at, which is now in the user's repository, under no name yet."""
    allowed = replace(place, variables={**place.variables, "GIT_ALLOW_PROTOCOL": "file"})
    arguments = (*_FETCH, "--", str(result.bundle), result.ref)
    call = Call(arguments, may_start_programs=True, timeout_s=CHECKOUT_TIMEOUT_S)
    answer = await git.ask(allowed, call)
    if not answer.is_success:
        raise _missing_start(result, answer.complaint)
    tree = await _tree_of(git, place, check_commit(result.commit))
    if tree != result.verified_tree:
        return result.commit
    return await _seal(git, place, result, tree)


async def _seal(git: GitClient, place: Place, result: Result, tree: str) -> str:
    """A commit of the same tree with the trailer; the same one however often it is made."""
    date = await git.word(place, "show", "-s", "--format=@%ct +0000", result.commit)
    dated = replace(place, variables={**place.variables, **identity(date)})
    message = sealing_message(result, tree).encode()
    return await git.word(dated, "commit-tree", tree, "-p", result.commit, stdin=message)


def sealing_message(result: Result, tree: str) -> str:
    """The message of the commit that says which tree was verified."""
    return (
        f"{_subject(result)}\n\n"
        f"AI-Orchestrator-Task: {result.task_id}\n"
        f"AI-Orchestrator-Verified: {tree}\n"
    )


def _subject(result: Result) -> str:
    line = " ".join(result.title.split()) or "Result of a task"
    return line if len(line) <= _SUBJECT_CHARS else f"{line[: _SUBJECT_CHARS - 1]}…"


async def _is_verified(git: GitClient, place: Place, commit: str, result: Result) -> bool:
    return await _tree_of(git, place, commit) == result.verified_tree


async def _tree_of(git: GitClient, place: Place, commit: str) -> str:
    return await git.word(place, "rev-parse", "--verify", f"{commit}^{{tree}}")


async def _contains(git: GitClient, place: Place, head: str, tip: str) -> bool:
    answer = await git.ask(place, Call(("merge-base", "--is-ancestor", tip, head)))
    return answer.is_success


async def _require_branch_name(git: GitClient, place: Place, name: str) -> None:
    call = Call(("check-ref-format", f"refs/heads/{check_name(name)}"))
    if not (await git.ask(place, call)).is_success:
        raise BadInputError(f"{name!r} cannot be the name of a branch.")


async def _require_no_clash(git: GitClient, place: Place, name: str) -> None:
    """Git keeps `ai` as a file where `ai/x` needs a folder, so only one of them can exist."""
    top = PurePosixPath(name).parts[0]
    output = await git.output(place, "for-each-ref", "--format=%(refname)", f"refs/heads/{top}")
    existing = [ref.removeprefix("refs/heads/") for ref in output.decode().splitlines()]
    clashing = clashing_branch(name, existing)
    if clashing is not None:
        raise ConflictError(
            f"Branch {name} cannot be made beside branch {clashing}.",
            hint=f"Rename the existing one: git branch -m {clashing} NEW. {_WITHOUT_A_BRANCH}",
        )


def clashing_branch(name: str, existing: list[str]) -> str | None:
    """A branch that cannot exist beside `name`, because one would be the folder of the other."""
    for other in existing:
        if name.startswith(f"{other}/") or other.startswith(f"{name}/"):
            return other
    return None


async def _create_branch(git: GitClient, place: Place, name: str, tip: str) -> None:
    call = ("update-ref", "-m", "ai-orchestrator apply", f"refs/heads/{name}", tip, "0" * len(tip))
    await git.output(place, *call)


def _require_mergeable(state: SourceState) -> str:
    if state.branch is None or state.is_bare:
        raise ConflictError(
            f"{state.top}: HEAD is on no branch, so there is nothing to merge into.",
            hint="Check a branch out, or apply the result as a branch of its own.",
        )
    if state.is_dirty:
        raise ConflictError(
            f"{state.top} has uncommitted changes: {', '.join(state.changed[:_LISTED_PATHS])}.",
            hint="Commit or stash them, or apply the result as a branch of its own.",
        )
    return state.branch


async def _abort(
    git: GitClient, place: Place, state: SourceState, complaint: str
) -> ConflictError | GitFailedError:
    """The error to raise; a merge that stopped at a conflict has been aborted."""
    listing = Call(("diff", "--name-only", "--diff-filter=U", "-z"), cwd=state.top)
    conflicts = read_lines(await git.expect(place, listing))
    if not conflicts:
        return ConflictError(f"{state.top}: the merge was refused: {complaint}")
    abort = Call(("merge", "--abort"), may_start_programs=True, cwd=state.top)
    answer = await git.ask(place, abort)
    if not answer.is_success:
        return failure(abort, place, answer)
    return ConflictError(
        f"{state.top}: the result conflicts with {state.branch} in "
        f"{', '.join(conflicts[:_LISTED_PATHS])}; the merge was aborted, nothing has changed.",
        hint="Apply it as a branch, then merge that branch and resolve the conflicts.",
    )


def _patching(result: Result, target: Path) -> Call:
    options = ("-r", "-p", "-M", "--binary", "--full-index", "--no-ext-diff", "--no-textconv")
    return Call(
        ("diff-tree", *options, f"--output={target.absolute()}", result.base, result.commit),
        timeout_s=CHECKOUT_TIMEOUT_S,
    )


def _size(path: Path) -> int:
    return path.stat().st_size


def _quoted(path: Path) -> str:
    """A path as an element of GIT_ALTERNATE_OBJECT_DIRECTORIES, which a colon would split."""
    text = os.fspath(path)
    if ":" not in text and not text.startswith('"'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _missing_start(result: Result, complaint: str) -> ConflictError:
    return ConflictError(
        f"The result of {result.task_id} does not fit this repository: {complaint}",
        hint=f"It starts from commit {result.base[:12]}; fetch that commit first, or use the "
        "repository in which the task was started.",
    )
