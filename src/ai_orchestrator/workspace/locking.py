"""A lock between processes on one machine, for what two tasks may want to make at once."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ai_orchestrator.base.errors import TemporaryError

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25


class LockTimeoutError(TemporaryError):
    """Another process held a lock for longer than we wait."""

    code = "lock-timeout"


@asynccontextmanager
async def file_lock(path: Path, *, timeout_s: float) -> AsyncIterator[None]:
    """The lock on `path` is held inside; the kernel lets go of it when the holder dies.

    Raises `LockTimeoutError`. The file stays: removing it would let two hold "the" lock.
    """
    descriptor = _open(path)
    try:
        await _acquire(descriptor, path, timeout_s)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def free_lock(path: Path) -> Iterator[bool]:
    """Whether the lock was free; it is held inside then. Waits for nobody."""
    descriptor = _open(path)
    try:
        yield _try(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


async def _acquire(descriptor: int, path: Path, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    deadline_s, pause_s = loop.time() + timeout_s, _FIRST_PAUSE_S
    while not _try(descriptor):
        if loop.time() >= deadline_s:
            raise LockTimeoutError(
                f"{path} is held by another process for more than {timeout_s:g} s.", delay_s=5.0
            )
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
