"""Shells that stay, for chains of git calls: every step of a task waits for such chains.

Starting a process tree takes 4 ms and ending it another one, as long as three calls of git. So a
shell that has carried out an order takes the next one. What an order does cannot reach beyond it:
it runs in a subshell, and one that overstays its time, or whose asker was cancelled, is ended with
the whole tree of its shell. An idle shell ends with the spawner, or as soon as nobody can ask it
any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.beside import together, until_done
from ai_orchestrator.base.process import Command, Completed, Exit, Process, Spawner

LIMIT_ORDER_BYTES = 60_000
"""What a pipe takes at once; longer orders are given as a command of their own."""
IDLE_SHELLS = 2
"""So many stay when nothing is to be done; tasks that run side by side seldom ask at once."""
_ORDER_FD = 3
SCRIPT = f". /dev/fd/{_ORDER_FD}"
"""What such a shell runs: orders that come later."""
_STOP_GRACE_S = 2.0
"""As `run` of `base/process` gives."""


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

    async def run(self, order: bytes, *, timeout_s: float, limit_bytes: int) -> Completed:
        """What a shell that reads this script came to; as `run` of `base/process`."""
        mark = secrets.token_hex(16).encode()
        shell = await self._given(_marked(order, mark))
        done = await shell.answer(mark, timeout_s=timeout_s, limit_bytes=limit_bytes)
        if shell.is_usable and len(self._idle) < IDLE_SHELLS:
            self._idle.append(shell)
        return done

    async def _given(self, order: bytes) -> _Shell:
        """A shell that has the order; those whose guardian was lost do not take it."""
        while self._idle:
            shell = self._idle.pop()
            if shell.tell(order):
                return shell
        shell = await self._start()
        shell.tell(order)  # where this fails its end says so
        return shell

    async def _start(self) -> _Shell:
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        try:
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
    """The order in a subshell, after which both streams say that it is over."""
    end = b"printf '%s %d\\n' " + mark + b" $?; printf '%s\\n' " + mark + b" >&2\n"
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
        """Whether it took the order. Never waits for one of up to `LIMIT_ORDER_BYTES`."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._orders, order)
            return True
        return False

    async def answer(self, mark: bytes, *, timeout_s: float, limit_bytes: int) -> Completed:
        """What the order came to; it is stopped with the shell when its time is over."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self.is_usable = False  # until it has said that it is done
        out, err = (Marked(stream, mark, limit_bytes) for stream in self._streams)
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                await together(out.read(), err.read())
        except BaseException as error:
            if not (isinstance(error, TimeoutError) and limit.expired()):
                await until_done(asyncio.create_task(self._process.stop(_STOP_GRACE_S)))
                raise
        how = await self._end(out.status)
        stdout, stderr = out.finish(), err.finish()
        return Completed(
            exit=how,
            stdout=stdout,
            stderr=stderr,
            is_truncated=out.is_cut or err.is_cut,
            is_timed_out=limit.expired(),
            duration_s=loop.time() - began_s,
        )

    async def _end(self, status: int | None) -> Exit:
        """The order's, or the shell's where that has ended instead or is late."""
        if status is None:
            return await self._process.stop(_STOP_GRACE_S)
        self.is_usable = True
        return Exit(code=status, signal=None)


class Marked:
    """One stream up to the mark, of which the beginning is kept."""

    def __init__(self, chunks: AsyncIterator[bytes], mark: bytes, limit_bytes: int) -> None:
        self.is_cut = False
        self.status: int | None = None
        """What stands behind the mark, 0 for nothing; None while it has not come."""
        self._chunks = chunks
        self._mark = mark
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self._held = b""
        """It may be the beginning of the mark."""

    async def read(self) -> None:
        """Read up to the mark, which is the last that comes, or to the end."""
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
        if not found:
            self._keep(text[: -len(self._mark)])
            self._held = text[-len(self._mark) :]
        elif rest.endswith(b"\n"):
            self._keep(text)
            self._held = b""
            self.status = int(rest.strip() or 0)
        else:
            self._held += chunk

    def _keep(self, data: bytes) -> None:
        room = self._limit_bytes - len(self._kept)
        self.is_cut = self.is_cut or len(data) > room
        self._kept += data[: max(0, room)]
