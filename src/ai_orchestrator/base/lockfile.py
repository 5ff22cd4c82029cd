"""One owner per data directory: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

_INFO_LIMIT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Held:
    """The lock, as its holder has it. Ends with the process, or with `release`."""

    path: Path
    fd: int

    def describe(self, info: dict[str, str | int]) -> None:
        """Writes who holds it and where they listen, for whoever finds it held."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps(info).encode(), 0)
        os.fsync(self.fd)

    def release(self) -> None:
        """Gives the lock back. The file stays: removing it would let two hold it at once."""
        os.close(self.fd)


def acquire(path: Path) -> Held | None:
    """The lock, or None while another process holds it. Does not wait."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return Held(path, fd)


def is_held(path: Path) -> bool:
    """Another process holds the lock. Asked by sharing it for a moment, which bars no reader."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder(path: Path) -> dict[str, str | int] | None:
    """What the present or last holder wrote, None where nothing readable is there."""
    try:
        raw = path.read_bytes()[:_INFO_LIMIT_BYTES]
        info = json.loads(raw)
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) else None
