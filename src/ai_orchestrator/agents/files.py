"""Reading and writing files in directories that an agent may have prepared as a trap.

A link, a pipe or an endless file left where we look must neither lead out of the directory nor
block nor fill the memory. Called by the host, the usage store and the survey; blocking, so callers
in an event loop use a thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path


def read_bounded(path: Path, limit_bytes: int) -> bytes | None:
    """The content of a regular file of at most the limit; None for anything else, or none."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # missing, a link, a socket: there is no file that the agent meant for us
        return None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        return None
    with os.fdopen(number, "rb") as file:
        content = file.read(limit_bytes + 1)
    return content if len(content) <= limit_bytes else None


def make_below(root: Path, relative: Path) -> None:
    """The directory below `root` exists; no link below `root` is followed.

    What stands in its way is removed, a link above all: whoever binds the directory afterwards
    binds this one and not what the link names.
    """
    os.close(_descend(root, relative.parts))


def write_below(root: Path, relative: Path, content: bytes) -> None:
    """The file below `root` holds the content; no link below `root` is followed.

    Written as a temporary file and renamed. What stands in the way, a directory too, is removed.
    """
    folder = _descend(root, relative.parts[:-1])
    try:
        _write(folder, relative.name, content)
    finally:
        os.close(folder)


def _descend(root: Path, names: Iterable[str]) -> int:
    """A descriptor of the directory below `root`, made where there is none."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names:
        try:
            inner = _enter(folder, name)
        finally:
            os.close(folder)
        folder = inner
    return folder


def _enter(folder: int, name: str) -> int:
    """A descriptor of the directory `name` in `folder`; made where there is none."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError:  # a link, a file, a closed directory: nothing that the program keeps there
        _set_aside(folder, name)
    with contextlib.suppress(FileExistsError):  # another run of ours made it just now
        os.mkdir(name, 0o700, dir_fd=folder)
    return os.open(name, flags, dir_fd=folder)


def _write(folder: int, name: str, content: bytes) -> None:
    temporary = f".{name}.{os.urandom(6).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except IsADirectoryError:
            _set_aside(folder, name)
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _set_aside(folder: int, name: str) -> None:
    """The name is free; what it named is removed, as far as it can be."""
    aside = f".aside.{os.urandom(6).hex()}"
    os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
    try:
        os.unlink(aside, dir_fd=folder)
    except OSError:  # a directory; what an agent closed in it stays, under a name of ours
        shutil.rmtree(aside, ignore_errors=True, dir_fd=folder)
