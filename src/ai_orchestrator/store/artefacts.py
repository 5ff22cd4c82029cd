"""Texts too long for an event, as files named by their digest, and the rows that own them.

Only `events` writes them; the API reads them by digest. Layout: `ab/cdef...` below
the directory, SHA-256 in hex, mode 0600. A file may belong to several tasks.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy as sa

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.store.tables import tables_of

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtefactFiles:
    """The folder of artefacts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        """The content's digest; the file is on disk, whole, when this returns."""
        digest = digest_of(content)
        path = self._path(digest)
        if path.exists():  # a rename made it, so it is whole
            return digest
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.{id(content):x}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_directory(path.parent)
        return digest

    def path(self, digest: str) -> Path:
        """Where the content lies. Raises `NotFoundError`, also for what is no digest."""
        if _DIGEST.fullmatch(digest) is None or not self._path(digest).is_file():
            raise NotFoundError(f"artefact {digest[:80]!r}: there is none.")
        return self._path(digest)

    def digests(self) -> Iterator[str]:
        """Every digest that has a file, in no order."""
        for path in self._directory.glob("??/*"):
            digest = path.parent.name + path.name
            if _DIGEST.fullmatch(digest):
                yield digest

    def remove(self, digest: str) -> int:
        """Bytes freed; 0 where there was no file."""
        path = self._path(digest)
        if not path.is_file():
            return 0
        size = path.stat().st_size
        path.unlink()
        return size

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest[2:]


def digest_of(content: bytes) -> str:
    """SHA-256 in hex, the name of an artefact."""
    return hashlib.sha256(content).hexdigest()


def remove_unowned(
    connection: sa.Connection, files: ArtefactFiles, digests: Iterable[str]
) -> tuple[int, int]:
    """Removes those of the digests that no task owns: how many, and bytes freed.

    To be called in a write transaction: on SQLite its lock keeps another task from coming to own
    a file between the question and the removal.
    """
    table = tables_of(connection).artefacts
    removed = freed_bytes = 0
    for digest in digests:
        if connection.execute(sa.select(table.c.size).where(table.c.digest == digest)).first():
            continue
        freed_bytes += files.remove(digest)
        removed += 1
    return removed, freed_bytes


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
