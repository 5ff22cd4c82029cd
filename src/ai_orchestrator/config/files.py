"""Small text files read with a bound: no device, no pipe, nothing larger than allowed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError, NotFoundError

CONFIG_LIMIT_BYTES = 1024 * 1024
"""A guess: a configuration with a dozen workflows has some 20 KB."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing_where_asked(called: str) -> Iterator[None]:
    """What a person named as a target may not be writable: told as that, by the name they know.

    Raises `BadInputError`, `EnvironmentProblemError` where the disk is full.
    """
    try:
        yield
    except OSError as error:
        kind = EnvironmentProblemError if error.errno in _FULL else BadInputError
        raise kind(
            f"{called} cannot be written: {error.strerror or type(error).__name__}."
        ) from error


def read_small_file(path: Path, *, limit_bytes: int = CONFIG_LIMIT_BYTES) -> bytes:
    """The file's content, or an error before anything large is read.

    Raises `NotFoundError` when there is none, `BadInputError` when it is no regular file, may not
    be read or is longer than the limit.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"There is no file {path}.") from error
    except OSError as error:
        raise BadInputError(f"The file {path} cannot be read: {error.strerror}.") from error
    try:
        _refuse_unless_small(os.fstat(descriptor), path, limit_bytes)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        raise _too_long(path, len(data), limit_bytes)
    return data


def _refuse_unless_small(status: os.stat_result, path: Path, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadInputError(f"{path} is not a regular file.")
    if status.st_size > limit_bytes:
        raise _too_long(path, status.st_size, limit_bytes)


def _too_long(path: Path, size_bytes: int, limit_bytes: int) -> BadInputError:
    return BadInputError(
        f"The file {path} has {size_bytes:,} bytes or more; at most {limit_bytes:,} are read."
    )


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Writes the file so that it is the old one or the new one, whatever happens."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _write_synced(partial, data, mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
