"""Shells that stay, for chains of git calls: every step of a task waits for such chains.

Starting a process tree takes 4 ms and ending it another one, as long as three calls of git. So a
shell that has carried out an order takes the next one. What an order does cannot reach beyond it:
it runs in a subshell, and a shell stays only after one that succeeded and left nothing to hear.
Any other is ended with its whole tree: after a failure, where the order overstays its time, where
its asker is cancelled. An idle shell ends with the spawner, or as soon as nobody can ask it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.beside import together, until_done
from ai_orchestrator.base.process import STOP_GRACE_S, Command, Completed, Exit, Process, Spawner

LIMIT_ORDER_BYTES = 60_000
"""A pipe takes 65,536 bytes at once, as a rule; longer orders are commands of their own."""
IDLE_SHELLS = 2
"""So many stay when nothing is to be done; tasks that run side by side seldom ask at once."""
_ORDER_FD = 3
SCRIPT = f"/dev/fd/{_ORDER_FD}"
"""The file of what such a shell runs: orders that come later. (Sourced by `.` it would do for dash;
bash reads all of a sourced file first.)"""
_PIPE_BYTES = 65_536
_STATUS_CHARS = 8
_GARBLED = 255
"""The status of an order whose mark cannot be read."""


@dataclass(frozen=True, slots=True)
class Seat:
    """How the shells are started."""

    argv: tuple[str, ...]
    """The shell, with `SCRIPT` as what it runs."""
    env: dict[str, str]


class StandingShells:
    """Safe to use from any number of coroutines at once, and from several event loops."""

    def __init__(self, spawner: Spawner, seat: Seat, new_name: Callable[[], str]) -> None:
        self._spawner = spawner
        self._seat = seat
        self._new_name = new_name
        self._idle: list[_Shell] = []

    async def run(self, order: bytes, *, timeout_s: float, limit_bytes: int) -> Completed | None:
        """What a shell that reads this script came to, as `run` of `base/process`.

        None where no shell could take it at once: then nothing of it was done.
        """
        mark = secrets.token_hex(16).encode()
        shell = await self._given(_marked(order, mark))
        if shell is None:
            return None
        done = await shell.answer(mark, timeout_s=timeout_s, limit_bytes=limit_bytes)
        if shell.is_usable and len(self._idle) < IDLE_SHELLS:
            self._idle.append(shell)
        return done

    async def _given(self, order: bytes) -> _Shell | None:
        """A shell that has the order; those whose guardian was lost do not take it."""
        while self._idle:
            shell = self._idle.pop()
            if shell.tell(order):
                return shell
        shell = await self._start()
        return shell if shell.tell(order) else None

    async def _start(self) -> _Shell:
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(ours, False)
            with contextlib.suppress(OSError):  # who has many pipes gets small ones, and no larger
                fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            command = Command(
                argv=self._seat.argv,
                cwd=Path("/"),
                env=self._seat.env,
                tree=self._new_name(),
                pass_fds={_ORDER_FD: theirs},
            )
            return _Shell(await self._spawner.start(command), ours)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)


def _marked(order: bytes, mark: bytes) -> bytes:
    """The order in a subshell, after which both streams say that it is over.

    An order that is cut is no whole command, so nothing of it is carried out.
    """
    end = b"printf '%s %d\\n' " + mark + b" $?; printf '%s 0\\n' " + mark + b" >&2\n"
    return b"(\n" + order + b")\n" + end


class _Shell:
    """One of them. It ends where the pipe of its orders is closed."""

    def __init__(self, process: Process, orders: int) -> None:
        self.is_usable = True
        self._process = process
        self._orders = orders
        self._close = weakref.finalize(self, os.close, orders)
        self._streams = process.stdout(), process.stderr()

    def tell(self, order: bytes) -> bool:
        """Whether it took the whole order. Never waits."""
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            return os.write(self._orders, order) == len(order)
        return False

    async def answer(self, mark: bytes, *, timeout_s: float, limit_bytes: int) -> Completed:
        """What the order came to. Unless it succeeded, no process of the shell is left then."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self.is_usable = False  # until it has said that it is done
        out, err = (Marked(stream, mark, limit_bytes) for stream in self._streams)
        limit = asyncio.timeout(timeout_s)
        try:
            with contextlib.suppress(TimeoutError):
                async with limit:
                    await together(out.read(), err.read())
            how = await self._end(out, err)
        except BaseException:
            await until_done(asyncio.create_task(self._process.stop(STOP_GRACE_S)))
            raise
        stdout, stderr = out.finish(), err.finish()
        return Completed(
            exit=how,
            stdout=stdout,
            stderr=stderr,
            is_truncated=out.is_cut or err.is_cut,
            is_timed_out=limit.expired(),
            duration_s=loop.time() - began_s,
        )

    async def _end(self, out: Marked, err: Marked) -> Exit:
        """The order's, or the shell's where that has ended instead or is late."""
        if out.status == err.status == 0 and out.is_last and err.is_last:
            self.is_usable = True
            return Exit(code=0, signal=None)
        ended = await self._process.stop(STOP_GRACE_S)
        if out.status is None or err.status is None:
            return ended
        return Exit(code=out.status, signal=None)


class Marked:
    """One stream up to the mark, of which the beginning is kept."""

    def __init__(self, chunks: AsyncIterator[bytes], mark: bytes, limit_bytes: int) -> None:
        self.is_cut = False
        self.is_last = True
        """Nothing has been heard behind the mark by now."""
        self.status: int | None = None
        """What stands behind the mark; None while it has not come."""
        self._chunks = chunks
        self._mark = mark
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self._held = b""
        """It may be the beginning of the mark."""

    async def read(self) -> None:
        """Read up to the mark, or to the end."""
        with contextlib.suppress(StopAsyncIteration):
            while self.status is None:
                self._take(await anext(self._chunks))

    def finish(self) -> bytes:
        """What was kept. To be asked when nothing is read any more."""
        self._keep(self._held)
        self._held = b""
        return bytes(self._kept)

    def _take(self, chunk: bytes) -> None:
        text, found, rest = (self._held + chunk).partition(self._mark)
        digits, is_whole, more = rest.partition(b"\n")
        if not found:
            self._keep(text[: -len(self._mark)])
            self._held = text[-len(self._mark) :]
        elif not is_whole and len(rest) < _STATUS_CHARS:
            self._held += chunk
        else:
            self._keep(text)
            self._held = b""
            self.is_last = is_whole != b"" and not more
            # What an order has left in the background may write into the line of its mark.
            self.status = int(digits) if digits.strip().isdigit() else _GARBLED

    def _keep(self, data: bytes) -> None:
        room = self._limit_bytes - len(self._kept)
        self.is_cut = self.is_cut or len(data) > room
        self._kept += data[: max(0, room)]
