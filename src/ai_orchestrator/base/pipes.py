"""The ends of a command's standard streams that stay with us, for any event loop.

Used by both spawners. A stream is read only when somebody asks for its next chunk: a slow reader
makes the program wait, not our memory grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import AsyncIterator
from typing import Self

from ai_orchestrator.base.errors import InternalError

CHUNK_BYTES = 64 * 1024
"""What a pipe holds by default: one read empties it."""

_READS_WITHOUT_A_BREAK = 16
"""About 1 MB; then other tasks of the loop get their turn, however fast the program writes."""

_SOCKET_BYTES = 1024 * 1024

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class OutputPipe:
    """Read end of a program's standard output or error; closed at its end or when dropped.

    No generator: the end of an event loop would close those that were begun in it.
    """

    __slots__ = ("_fd", "_is_taken", "_reads")

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._is_taken = False
        self._reads = 0

    def chunks(self) -> AsyncIterator[bytes]:
        """Chunks as they come, until end of file. Raises `InternalError` the second time."""
        if self._is_taken:
            raise InternalError("a stream of a process is to be iterated once")
        self._is_taken = True
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._reads += 1
        if self._reads % _READS_WITHOUT_A_BREAK == 0:
            await asyncio.sleep(0)
        while self._fd >= 0:
            try:
                chunk = os.read(self._fd, CHUNK_BYTES)
            except BlockingIOError:
                await readable(self._fd)
                continue
            if chunk:
                return chunk
            self.close()
        raise StopAsyncIteration

    def close(self) -> None:
        """Give the descriptor back. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class Streams:
    """Standard input, output and error of one command: ends for it, and what stays with us."""

    def __init__(self, stdin: bytes, *, is_output_private: bool = False) -> None:
        with contextlib.ExitStack() as undo:
            self._child_fds = [input_descriptor(stdin)]
            undo.callback(self.close_child_ends)
            self.stdout = self._socket() if is_output_private else self._pipe()
            self.stderr = self._pipe()
            undo.pop_all()

    def _pipe(self) -> OutputPipe:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        self._child_fds.append(theirs)
        return OutputPipe(ours)

    def _socket(self) -> OutputPipe:
        ours, theirs = socket.socketpair()  # both are closed on exec
        with contextlib.suppress(
            OSError
        ):  # more room than the default of 208 KB is a help, no need
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        ours.shutdown(socket.SHUT_WR)
        self._child_fds.append(theirs.detach())
        return OutputPipe(ours.detach())

    @property
    def child_fds(self) -> tuple[int, int, int]:
        """What the child gets as 0, 1 and 2."""
        stdin, stdout, stderr = self._child_fds
        return stdin, stdout, stderr

    def close_child_ends(self) -> None:
        """To be done once the child has them, or end of file never comes. Idempotent."""
        while self._child_fds:
            os.close(self._child_fds.pop())


async def readable(fd: int) -> None:
    """Return when the running loop finds `fd` readable or at its end."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, _set_ready, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _set_ready(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def input_descriptor(data: bytes) -> int:
    """A descriptor that reads as `data`, then end of file; the caller closes it.

    A sealed file in memory: never blocks whoever fills it, whatever its size, and needs no writer
    that lives as long as the program. /dev/null where there is nothing to read.
    """
    if not data:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        write_whole(fd, data)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def write_whole(fd: int, data: bytes) -> None:
    """`data` into the file behind `fd`, from its beginning; the offset stays at 0."""
    view = memoryview(data)
    offset = 0
    while offset < len(view):
        offset += os.pwrite(fd, view[offset:], offset)
