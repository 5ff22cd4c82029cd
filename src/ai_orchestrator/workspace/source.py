"""The user's repository, looked at and never written: what it is, what state it is in.

Called by `GitTrees` and by services, which show the notes before a task is accepted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workspace.git import Answer, Call, Place, check_commit, read_lines
from ai_orchestrator.workspace.git_client import GitClient

_SHOWN_PATHS = 5
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):(?!//)[^\s:].*")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")
"""`ext::sh -c ...` and the like: git would start the helper that is named there."""
_LOOK = (
    *("rev-parse", "--is-bare-repository", "--is-shallow-repository", "--is-inside-git-dir"),
    *("--show-object-format", "--absolute-git-dir", "--git-common-dir", "--show-cdup"),
)


@dataclass(frozen=True, slots=True)
class SourceState:
    """A local repository as it stands."""

    top: Path
    """Top of the working tree; the repository itself where it is bare."""
    git_dir: Path
    common_dir: Path
    """Where objects and refs are; differs from `git_dir` in a linked worktree."""
    head: str | None
    """Commit of HEAD, None before the first commit."""
    branch: str | None
    """Current branch, None when HEAD is detached."""
    changed: tuple[str, ...]
    """Tracked files with changes or conflicts, staged or not."""
    conflicts: tuple[str, ...]
    """Those of them that a merge left to be resolved."""
    untracked: int
    """Files and folders that git does not know and does not ignore."""
    is_bare: bool
    is_shallow: bool
    is_sha256: bool
    is_partial: bool
    """Objects were left out when it was cloned."""
    has_submodules: bool

    @property
    def is_dirty(self) -> bool:
        """Tracked files have changes that no commit holds."""
        return bool(self.changed)

    def place(self) -> Place:
        """For reading only."""
        tree = None if self.is_bare else self.top
        return _reading(self.git_dir, tree)


def _reading(git_dir: Path | None, tree: Path | None = None) -> Place:
    """The user's repository: without GIT_OPTIONAL_LOCKS even `status` would write its index."""
    return Place(git_dir, tree, variables={"GIT_OPTIONAL_LOCKS": "0"}, is_ours=False)


async def inspect(git: GitClient, path: Path) -> SourceState:
    """The repository that holds `path`. Writes nothing, not even its index.

    Raises `BadInputError` for what is no repository or is not the user's own.
    """
    _require_directory(path)
    await git.require_version()
    answer = await git.ask(_reading(None), Call(_LOOK, cwd=path))
    if not answer.is_success:
        raise _refused(path, answer)
    look = parse_look(path, answer.stdout)
    if look.is_inside and not look.is_bare:
        raise BadInputError(f"{path} is inside a .git directory.", hint="Name the folder above it.")
    return await _read_state(git, look)


def _require_directory(path: Path) -> None:
    if not path.is_absolute():
        raise BadInputError(f"{path}: must be an absolute path.")
    if not path.is_dir():
        raise BadInputError(f"{path}: no such directory.")


@dataclass(frozen=True, slots=True)
class Look:
    """What the first look at a repository tells."""

    is_bare: bool
    is_shallow: bool
    is_inside: bool
    """The path is within the repository's own files."""
    is_sha256: bool
    git_dir: Path
    common_dir: Path
    top: Path


def parse_look(path: Path, output: bytes) -> Look:
    """The values that `_LOOK` prints, one a line. `path` is where git was started."""
    *lines, _ = os.fsdecode(output).split("\n")
    is_bare, is_shallow, is_inside = (line == "true" for line in lines[:3])
    has_tree = not is_bare and not is_inside  # else there is no way up to its top to be printed
    if len(lines) != (7 if has_tree else 6):
        raise BadInputError(f"{str(path)!r}: the path of a repository must be on one line.")
    git_dir = Path(lines[4])
    return Look(
        is_bare=is_bare,
        is_shallow=is_shallow,
        is_inside=is_inside,
        is_sha256=lines[3] == "sha256",
        git_dir=git_dir,
        common_dir=(path / lines[5]).resolve(),
        top=(path / lines[6]).resolve() if has_tree else git_dir,
    )


async def _read_state(git: GitClient, look: Look) -> SourceState:
    place = _reading(look.git_dir, None if look.is_bare else look.top)
    status = await _read_status(git, place, is_bare=look.is_bare)
    return SourceState(
        top=look.top,
        git_dir=look.git_dir,
        common_dir=look.common_dir,
        head=status.head,
        branch=status.branch,
        changed=status.changed,
        conflicts=status.conflicts,
        untracked=status.untracked,
        is_bare=look.is_bare,
        is_shallow=look.is_shallow,
        is_sha256=look.is_sha256,
        is_partial=any((look.common_dir / "objects/pack").glob("*.promisor")),
        has_submodules=(look.top / ".gitmodules").is_file(),
    )


@dataclass(frozen=True, slots=True)
class Status:
    """What `git status` says."""

    head: str | None
    branch: str | None
    changed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    untracked: int = 0


async def _read_status(git: GitClient, place: Place, *, is_bare: bool) -> Status:
    if is_bare:
        return await _read_bare_status(git, place)
    arguments = ("--porcelain=v2", "--branch", "-z", "--untracked-files=normal")
    call = Call(("status", *arguments, "--ignore-submodules=dirty"), may_start_programs=True)
    return parse_status(await git.expect(place, call))


async def _read_bare_status(git: GitClient, place: Place) -> Status:
    head = await resolve_name(git, place, "HEAD")
    branch = await git.ask(place, Call(("symbolic-ref", "--quiet", "--short", "HEAD")))
    name = branch.stdout.decode().strip() if branch.is_success else None
    return Status(head, name)


def parse_status(output: bytes) -> Status:
    """The values in `git status --porcelain=v2 --branch -z`."""
    head: str | None = None
    branch: str | None = None
    paths: dict[str, list[str]] = {"1": [], "2": [], "u": [], "?": []}
    records = iter(read_lines(output))
    for record in records:
        kind, _, rest = record.partition(" ")
        if rest.startswith("branch.oid "):
            head = None if rest.endswith("(initial)") else rest.split(" ")[1]
        elif rest.startswith("branch.head "):
            branch = None if rest.endswith("(detached)") else rest.split(" ", 1)[1]
        elif kind in paths:
            paths[kind].append(record.split(" ", _PATH_FIELD[kind])[-1])
            if kind == "2":
                next(records)  # the old name of a rename is a record of its own
    changed = (*paths["1"], *paths["2"], *paths["u"])
    return Status(head, branch, changed, tuple(paths["u"]), len(paths["?"]))


_PATH_FIELD = {"1": 8, "2": 9, "u": 10, "?": 1}
"""Blanks before the path in a changed, a renamed, an unmerged and an untracked record."""


async def resolve_name(git: GitClient, place: Place, name: str) -> str | None:
    """The commit that a branch, tag or revision names; None where it names none."""
    check_name(name)
    call = Call(("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"))
    answer = await git.ask(place, call)
    return check_commit(answer.stdout.decode().strip()) if answer.is_success else None


def check_name(name: str) -> str:
    """The name, when it cannot be taken for an option or hide anything in a message."""
    if not name or name.startswith("-") or not name.isprintable():
        raise BadInputError(f"{name!r} cannot name a branch, tag or commit.")
    return name


def require_clean(state: SourceState) -> None:
    """Raise `BadInputError` with the ways out when tracked files have uncommitted changes."""
    if state.is_dirty:
        shown = ", ".join(state.changed[:_SHOWN_PATHS])
        more = len(state.changed) - _SHOWN_PATHS
        listed = f"{shown} and {more} more" if more > 0 else shown
        raise BadInputError(
            f"{state.top} has uncommitted changes: {listed}.",
            hint="Commit or stash them, or start from them with --include-dirty.",
        )


def notes(state: SourceState, *, include_dirty: bool) -> tuple[str, ...]:
    """What a person should know before work starts, one sentence each."""
    return tuple(
        sentence
        for is_true, sentence in (
            (state.head is None, "The repository has no commit yet: work starts from nothing."),
            (
                state.untracked > 0,
                f"{state.untracked} untracked files or folders are "
                + ("part of the start." if include_dirty else "not part of the work."),
            ),
            (state.is_shallow, "The clone is shallow: agents see no history before its cut."),
            (state.has_submodules, "Submodules stay empty folders in the work tree."),
        )
        if is_true
    )


def _refused(path: Path, answer: Answer) -> BadInputError:
    has_git = any(os.path.lexists(folder / ".git") for folder in (path, *path.parents))
    if has_git:
        return BadInputError(
            f"git does not accept {path}: {answer.complaint}",
            hint="Use a clone that belongs to you, or give the repository's URL.",
        )
    return BadInputError(
        f"{path} is not in a git repository.",
        hint="Run `git init` there first, or use --output DIR to start a new repository.",
    )


@dataclass(frozen=True, slots=True)
class RemotePolicy:
    """Which URLs may be fetched from."""

    allow_file: bool = False
    """`file://` URLs, only where the operator or the user on this machine says so."""


Transport = Literal["https", "ssh", "file"]


def check_url(url: str, policy: RemotePolicy) -> Transport:
    """How the URL is fetched. Raises `BadInputError` for a transport that is not allowed."""
    if not url.isprintable() or url.startswith("-") or not url.strip():
        raise BadInputError(f"{url[:200]!r} is not a URL that git may be given.")
    if "://" not in url or _HELPER.match(url):
        return _check_scp_like(url)
    parts = _split(url)
    if parts.password is not None or (parts.scheme == "https" and parts.username):
        raise BadInputError(
            "The URL contains a login.", hint="Use an ssh key or a credential of the repository."
        )
    if parts.scheme == "https" and parts.hostname:
        return "https"
    if parts.scheme == "ssh" and parts.hostname and not parts.hostname.startswith("-"):
        return "ssh"
    if parts.scheme == "file" and policy.allow_file:
        return "file"
    raise BadInputError(
        f"{url[:200]!r}: {parts.scheme} is not an allowed transport.",
        hint="Use https:// or ssh://, or the path of a local clone.",
    )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise BadInputError(f"{url[:200]!r} is not a URL: {error}.") from error


def _check_scp_like(url: str) -> Transport:
    found = _SCP_LIKE.fullmatch(url)
    if found is None or found[1].startswith("-"):
        raise BadInputError(
            f"{url[:200]!r} is neither https://, ssh:// nor user@host:path.",
            hint="For a repository on this machine give its path.",
        )
    return "ssh"
