"""The set-ups that are kept, one directory each: `<data>/setup/<key>-<commit>/`.

    entry.json    what it is; its time says when it was last used
    paths         what it brings, NUL between the names
    files/        the same paths with their content

A directory appears under its name by a rename, whole. Its lock is shared by those who read it, and
held alone by whoever makes or removes it, so nothing is removed under a reader, and what a killed
process left half-made shows by the lock that nobody holds. All methods block: run them in a thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.workspace.copying import (
    CopyRefusedError,
    copy_paths,
    measure,
    require_free_places,
)
from ai_orchestrator.workspace.disk import full_disk_explained, require_free
from ai_orchestrator.workspace.git import read_lines
from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.setup_entries import SetupEntry, StoredSetup, evictions

_HALF = ".half"
_MIB = 1 << 20


class SetupTooLargeError(EnvironmentProblemError):
    """What the commands made is larger than all that may be kept."""

    code = "setup-too-large"


class SetupDamagedError(EnvironmentProblemError):
    """What was kept is not what was written: a power cut, or somebody's hand."""

    code = "setup-damaged"


class SetupStore:
    """Keeps the files of set-ups. Any number of processes may share the directory."""

    def __init__(self, directory: Path, trash: Trash, limit_bytes: int) -> None:
        self._directory = directory
        self._trash = trash
        self._limit_bytes = limit_bytes

    def stored(self) -> list[StoredSetup]:
        """All that are whole."""
        return stored_setups(self._directory)

    def restore(self, entry: SetupEntry, tree: Path, stop: threading.Event) -> bool:
        """Whether the tree has what the set-up made; not when somebody is removing it.

        Raises `CopyRefusedError` where something is in the way, `DiskFullError`,
        `SetupDamagedError`; the caller then removes what is half there.
        """
        place = self._directory / entry.name
        with _locked(place, fcntl.LOCK_SH) as is_ours:
            if not is_ours:
                return False
            paths = read_lines((place / "paths").read_bytes())
            require_free_places(tree, paths)
            require_free(tree, entry.disk_bytes)
            with full_disk_explained(tree):
                copied = copy_paths(place / "files", tree, paths, stop)
            os.utime(place / "entry.json")
        if (copied.files, copied.size_bytes) == (entry.files, entry.size_bytes):
            return True
        _remove(place, self._trash)
        raise SetupDamagedError(
            f"{place} has {copied.files} files with {copied.size_bytes} bytes, but was written "
            f"with {entry.files} and {entry.size_bytes}. It is removed."
        )

    def keep(
        self, entry: SetupEntry, tree: Path, paths: Sequence[str], stop: threading.Event
    ) -> SetupEntry:
        """The paths of the tree are kept under the entry, whose figures are filled in.

        Where another process has kept the same meanwhile, that one stays. Raises
        `SetupTooLargeError`, `DiskFullError`, `CopyRefusedError`.
        """
        remove_broken(self._directory, self._trash)
        total = measure(tree, paths)
        entry = msgspec.structs.replace(
            entry, files=total.files, size_bytes=total.size_bytes, disk_bytes=total.disk_bytes
        )
        self._make_room(total.disk_bytes)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._half() as half, full_disk_explained(half):
            copied = copy_paths(tree, half / "files", paths, stop)
            if (copied.files, copied.size_bytes) != (entry.files, entry.size_bytes):
                raise CopyRefusedError(f"{tree} changed while it was copied.")
            (half / "paths").write_bytes(b"\0".join(os.fsencode(path) for path in paths))
            _write_through(half / "entry.json", msgspec.json.encode(entry))
            _rename_unless_there(half, self._directory / entry.name)
        return entry

    def _make_room(self, incoming_bytes: int) -> None:
        gone = evictions(
            self.stored(), incoming_bytes=incoming_bytes, limit_bytes=self._limit_bytes
        )
        if gone is None:
            raise SetupTooLargeError(
                f"it takes {incoming_bytes // _MIB} MiB, and all that is kept may take "
                f"{self._limit_bytes // _MIB} MiB.",
            )
        discard_setups(self._directory, gone, self._trash)
        require_free(self._directory, incoming_bytes)

    @contextmanager
    def _half(self) -> Iterator[Path]:
        """A directory to make something in, held by a lock; gone afterwards, unless renamed."""
        half = self._directory / f"{secrets.token_hex(8)}{_HALF}"
        half.mkdir(mode=0o700)
        with _locked(half, fcntl.LOCK_EX) as is_ours:
            if not is_ours:  # taken for a dead one in the moment before the lock
                raise CopyRefusedError(f"{half} was removed by another process.")
            try:
                (half / "files").mkdir(mode=0o700)
                yield half
            finally:
                self._trash.discard(half)


def stored_setups(directory: Path) -> list[StoredSetup]:
    """All whole set-ups of a directory; nothing is changed."""
    found = [_read(path) for path in _folders(directory)]
    return [one for one in found if one is not None]


def _read(path: Path) -> StoredSetup | None:
    """None for what is half-made, removed meanwhile, or not what its name says."""
    description = path / "entry.json"
    try:
        entry = msgspec.json.decode(description.read_bytes(), type=SetupEntry)
        used_s = description.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    return StoredSetup(entry, used_s) if entry.name == path.name else None


def discard_setups(directory: Path, gone: Sequence[StoredSetup], trash: Trash) -> None:
    """They are no longer kept, but for those that somebody reads at this moment."""
    for one in gone:
        _remove(directory / one.name, trash)


def remove_broken(directory: Path, trash: Trash) -> None:
    """What a killed process left half-made, or a power cut unreadable, is gone.

    What is being made stays.
    """
    for path in _folders(directory):
        if _read(path) is None:
            _remove(path, trash)


def _remove(path: Path, trash: Trash) -> None:
    with _locked(path, fcntl.LOCK_EX) as is_ours:
        if is_ours:
            trash.discard(path)


def _folders(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[bool]:
    """Whether the directory is there and its lock was free; it is held inside, never waited for."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        yield _try(descriptor, how) and directory.is_dir()
    finally:
        os.close(descriptor)


def _try(descriptor: int, how: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        return True
    return False


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename_unless_there(half: Path, place: Path) -> None:
    """Two that made the same at once: the first stays, since it may be in use already."""
    try:
        half.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
