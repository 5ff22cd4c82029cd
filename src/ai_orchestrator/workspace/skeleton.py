"""Repositories written file by file: no process, no template, no hook, a known configuration.

Used for the task's own repository and for the disposable one that an agent may write.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.workspace.git import IDENTITY_EMAIL, IDENTITY_NAME

BRANCH = "work"
"""The branch on which an agent finds itself."""

SHA256_CHARS = 64

_FOLDERS = ("", "objects", "objects/info", "refs", "refs/heads", "info")
"""Those without which git sees no repository, or we have nowhere to write; each after the one that
holds it. Git makes others itself."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What a new repository holds before git has touched it."""

    objects: tuple[Path, ...]
    """Object directories that it borrows from."""
    shallow: bytes = b""
    """Where history is cut, when the source is a shallow clone."""
    head: str = f"refs/heads/{BRANCH}"
    refs: tuple[tuple[str, str], ...] = ()
    """Full name and commit."""
    exclude: bytes = b""
    """Lines of info/exclude."""


def write_skeleton(directory: Path, skeleton: Skeleton, configuration: str) -> None:
    """A repository at `directory`, which does not exist yet."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    for folder in _FOLDERS:
        (directory / folder).mkdir(mode=0o700)
    (directory / "HEAD").write_text(f"ref: {skeleton.head}\n")
    (directory / "config").write_text(configuration)
    (directory / "objects/info/alternates").write_bytes(_alternates(skeleton.objects))
    (directory / "info/exclude").write_bytes(skeleton.exclude)
    if skeleton.shallow:
        (directory / "shallow").write_bytes(skeleton.shallow)
    for name, commit in skeleton.refs:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(f"{commit}\n")


def _alternates(objects: Sequence[Path]) -> bytes:
    return b"".join(os.fsencode(path) + b"\n" for path in objects)


def own_configuration(commit: str) -> str:
    """For a bare repository of the orchestrator, with the hash function of `commit`."""
    return _format(commit) + "\tbare = true\n"


def agent_configuration(commit: str) -> str:
    """For the repository that an agent sees beside its files.

    Stat data is compared in its minimal form, since user ids differ in a user namespace; the
    untracked cache of the copied index is bound to a path that the sandbox does not have.
    """
    return (
        _format(commit)
        + "\tbare = false\n\tlogAllRefUpdates = true\n"
        + "\tuntrackedCache = false\n\tcheckStat = minimal\n"
        + "[gc]\n\tauto = 0\n"
        + f"[user]\n\tname = {IDENTITY_NAME}\n\temail = {IDENTITY_EMAIL}\n"
    )


def _format(commit: str) -> str:
    if len(commit) == SHA256_CHARS:
        return (
            "[extensions]\n\tobjectFormat = sha256\n"
            "[core]\n\trepositoryFormatVersion = 1\n\tfileMode = true\n"
        )
    return "[core]\n\trepositoryFormatVersion = 0\n\tfileMode = true\n"
