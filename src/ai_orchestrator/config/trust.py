"""Which repositories' configurations the user trusts, bound to what those files say.

`resolve` asks, `ai-orchestrator trust` grants. A changed byte in any of the files ends the trust.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from ai_orchestrator.base.errors import EnvironmentProblemError, NotFoundError, TemporaryError
from ai_orchestrator.config.files import read_small_file, write_whole
from ai_orchestrator.config.repository_config import RepositoryConfig


class TrustRecord(msgspec.Struct, frozen=True):
    """One repository whose configuration was read and trusted."""

    repository: str
    """Absolute path of its top, links resolved."""
    digest: str
    files: tuple[str, ...]
    """Paths in the repository that the digest covers."""
    granted_at: datetime


class _TrustFile(msgspec.Struct, frozen=True):
    v: int = 1
    trusted: tuple[TrustRecord, ...] = ()


class TrustStore:
    """The records in one file, `trust.json` of the data directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> tuple[TrustRecord, ...]:
        """All records, by repository. Raises `EnvironmentProblemError` for an unreadable file."""
        try:
            data = read_small_file(self._path)
        except NotFoundError:
            return ()
        try:
            stored = msgspec.json.decode(data, type=_TrustFile)
        except msgspec.MsgspecError as error:
            raise self._unreadable(str(error)) from error
        if stored.v != 1:
            raise self._unreadable(f"its version is {stored.v}, not 1")
        return stored.trusted

    def record(self, root: Path) -> TrustRecord | None:
        """What was granted for the repository at `root`; None when nothing was."""
        name = os.path.realpath(root)
        return next((one for one in self.records() if one.repository == name), None)

    def is_trusted(self, config: RepositoryConfig) -> bool:
        """The configuration is, to the byte, the one that was trusted."""
        record = self.record(config.root)
        return record is not None and record.digest == config.digest

    def grant(self, config: RepositoryConfig, now: datetime) -> TrustRecord:
        """Trusts this configuration in place of any earlier one of the repository."""
        record = TrustRecord(str(config.root), config.digest, tuple(sorted(config.files)), now)
        with self._locked():
            self._write([*self._others(record.repository), record])
        return record

    def revoke(self, root: Path) -> bool:
        """Ends the trust in the repository at `root`; whether there was any."""
        name = os.path.realpath(root)
        with self._locked():
            if self.record(root) is None:
                return False
            self._write(self._others(name))
        return True

    def _others(self, repository: str) -> list[TrustRecord]:
        return [record for record in self.records() if record.repository != repository]

    def _write(self, records: list[TrustRecord]) -> None:
        ordered = tuple(sorted(records, key=lambda record: record.repository))
        data = msgspec.json.format(msgspec.json.encode(_TrustFile(trusted=ordered)))
        write_whole(self._path, data)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps a second writer out, so that no grant is lost."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_suffix(".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TemporaryError(
                f"Another command is changing {self._path}.", delay_s=1.0, hint="Try again."
            ) from error

    def _unreadable(self, why: str) -> EnvironmentProblemError:
        return EnvironmentProblemError(
            f"{self._path} cannot be read: {why}.",
            hint="Remove it and trust your repositories again with `ai-orchestrator trust`.",
        )
