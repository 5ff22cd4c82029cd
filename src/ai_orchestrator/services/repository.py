"""Which repository a command means: what was typed, where it stands, or a new directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.task import RepositorySource

_URL = re.compile(r"[a-z][a-z0-9+.-]*://|[^/\s:]+@[^/\s:]+:")
"""A URL with a scheme, or git's short form user@host:path."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed, and where."""

    cwd: Path
    repository: str | None = None
    new_directory: Path | None = None
    ref: str | None = None
    include_dirty: bool = False


def find_repository(start: Path) -> Path | None:
    """The top of the repository that holds the path; None when there is none. Starts nothing."""
    for directory in (start, *start.parents):
        if (directory / ".git").exists() or _is_bare(directory):
            return directory
    return None


def _is_bare(directory: Path) -> bool:
    return all((directory / name).exists() for name in ("HEAD", "objects", "refs"))


def repository_source(wanted: Wanted) -> RepositorySource:
    """The source of a task. Raises `BadInputError` with the ways out where there is none."""
    if wanted.new_directory is not None:
        return _new(wanted, wanted.new_directory)
    if wanted.repository is not None and _URL.match(wanted.repository):
        if wanted.include_dirty:
            raise BadInputError("--include-dirty: a URL has no uncommitted changes.")
        return RepositorySource(url=wanted.repository, ref=wanted.ref)
    start = wanted.cwd / (wanted.repository or ".")
    if not start.is_dir():
        raise BadInputError(f"--repo {wanted.repository}: there is no such directory.")
    top = find_repository(start.resolve())
    if top is None:
        raise BadInputError(
            f"{start.resolve()} is not in a git repository.",
            hint="Name one by --repo PATH|URL, or start a new one by --output DIR.",
        )
    return RepositorySource(path=str(top), ref=wanted.ref, include_dirty=wanted.include_dirty)


def _new(wanted: Wanted, directory: Path) -> RepositorySource:
    if wanted.repository is not None or wanted.ref is not None or wanted.include_dirty:
        raise BadInputError(
            "--output starts a new repository, so --repo, --ref and --include-dirty do not fit it."
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadInputError(
            f"--output {directory}: is not an empty directory.", hint="Name one that is."
        )
    return RepositorySource(new_directory=str(directory))
