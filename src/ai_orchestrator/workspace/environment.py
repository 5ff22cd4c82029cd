"""What a tree needs beside its commit: files that git ignores, and ports that nobody uses.

`copy:` and `link:` bring files from the user's checkout. Both sides are checked: a pattern cannot
lead out of the checkout, and no link in the tree, which may be an agent's, is followed on the way
to the target. What is brought is excluded from our commits, whatever the repository ignores.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workspace.disk import require_free
from ai_orchestrator.workspace.removal import directory_bytes
from ai_orchestrator.workspace.repair import is_folder, within

_SPECIAL = frozenset("\\*?[#! ")


@dataclass(frozen=True, slots=True)
class Extra:
    """One file or folder of the checkout that the tree is to have too."""

    source: Path
    """Its real place, within the checkout."""
    path: str
    """Where it lies in the checkout, and in the tree."""
    is_link: bool
    """Seen where it is, instead of copied."""


@dataclass(frozen=True, slots=True)
class Furnished:
    """What was brought into a tree."""

    paths: tuple[str, ...]
    linked: tuple[Path, ...]
    """Must be visible, read-only, in the sandbox."""
    unmatched: tuple[str, ...]
    """Patterns that nothing in the checkout fits; worth a word to the user."""


def find_extras(checkout: Path, copy: Sequence[str], link: Sequence[str]) -> list[Extra]:
    """What the patterns name in a checkout, by pattern and then by name; reads only.

    Raises `BadInputError` for a pattern or a link that leads out of it.
    """
    return [
        Extra(_real(checkout, found), found.relative_to(checkout).as_posix(), is_link)
        for patterns, is_link in ((copy, False), (link, True))
        for pattern in patterns
        for found in _matches(checkout, pattern)
    ]


def unmatched(checkout: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns that nothing in the checkout fits."""
    return tuple(pattern for pattern in patterns if not _matches(checkout, pattern))


def _matches(checkout: Path, pattern: str) -> list[Path]:
    return sorted(checkout.glob(check_pattern(pattern)))


def check_pattern(pattern: str) -> str:
    """The pattern, when it can only match within the checkout and not in `.git`."""
    parts = PurePosixPath(pattern).parts
    if not parts or pattern.startswith("/") or not pattern.isprintable():
        raise BadInputError(f"environment: {pattern!r} is not a relative path or pattern.")
    if ".." in parts or ".git" in parts or pattern.rstrip("/") == "**":
        raise BadInputError(f"environment: {pattern!r} leads out of the checkout or into .git.")
    return pattern


def _real(checkout: Path, found: Path) -> Path:
    real = found.resolve()
    if not real.is_relative_to(checkout.resolve()) or not found.name.isprintable():
        raise BadInputError(
            f"environment: {found} leads out of the checkout, to {real}.",
            hint="Copy the file into the checkout, or leave it out.",
        )
    return real


def bring(extras: Sequence[Extra], tree: Path) -> None:
    """The extras lie in the tree; what was at their place before is replaced.

    Raises `BadInputError` where a link or a file of the tree stands in a path's way.
    """
    require_free(tree, sum(_bytes(extra.source) for extra in extras if not extra.is_link))
    for extra in extras:
        target = _target(tree, extra.path)
        half = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}")
        _make(extra, half)
        _remove(target)
        half.rename(target)


def _make(extra: Extra, half: Path) -> None:
    if extra.is_link:
        half.symlink_to(extra.source)
    elif extra.source.is_dir():
        shutil.copytree(extra.source, half, symlinks=True)
    else:
        shutil.copy2(extra.source, half)


def _target(tree: Path, path: str) -> Path:
    parent = tree
    for part in PurePosixPath(path).parts[:-1]:
        parent = parent / part
        if not os.path.lexists(parent):
            parent.mkdir()
        if not is_folder(parent):
            raise BadInputError(f"environment: {path}: {part} is no folder in the work tree.")
    return parent / PurePosixPath(path).name


def _remove(target: Path) -> None:
    if is_folder(target):
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _bytes(path: Path) -> int:
    return directory_bytes(path) if path.is_dir() else path.stat().st_size


def is_in_place(extra: Extra, tree: Path) -> bool:
    """Something lies where the extra belongs, with no link on the way."""
    parent = within(tree, str(PurePosixPath(extra.path).parent))
    return parent is not None and os.path.lexists(parent / PurePosixPath(extra.path).name)


def exclude_lines(paths: Sequence[str]) -> bytes:
    """Lines for `info/exclude` that match these paths literally, and nothing else."""
    return b"".join(b"/" + os.fsencode(_escaped(path)) + b"\n" for path in paths)


def _escaped(path: str) -> str:
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in path)
