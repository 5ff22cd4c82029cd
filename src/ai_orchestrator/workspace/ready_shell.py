"""A shell that was started before there is anything for it to do, for chains of git calls.

Starting a process tree takes 4 ms, as long as two calls of git, and every step of a task waits for
such chains. So whoever will need one has its shell started while something else is waited for.
Each serves once; one that is never asked ends with the spawner, or as soon as nobody can ask it
any more.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.process import Command, Completed, Process, Spawner, run_on

LIMIT_ORDER_BYTES = 60_000
"""What a pipe takes at once; longer orders are given as a command of their own."""
_ORDER_FD = 3
SCRIPT = f". /dev/fd/{_ORDER_FD}"
"""What such a shell runs: a script that comes later."""


@dataclass(frozen=True, slots=True)
class Seat:
    """How the shells are started."""

    argv: tuple[str, ...]
    """The shell, with `SCRIPT` as what it runs."""
    env: dict[str, str]


class ReadyShell:
    """At most one shell waits here. Safe to use from any number of coroutines at once."""

    def __init__(self, spawner: Spawner, seat: Seat, new_name: Callable[[], str]) -> None:
        self._spawner = spawner
        self._seat = seat
        self._new_name = new_name
        self._waiting: _Shell | None = None
        self._is_starting = False

    async def run(self, order: bytes, *, timeout_s: float, limit_bytes: int) -> Completed:
        """What a shell that reads this script came to; as `run` of `base/process`."""
        shell, self._waiting = self._waiting, None
        if shell is None or not shell.tell(order):
            shell = await self._start()
            shell.tell(order)  # where this fails its end says so
        return await run_on(shell.process, timeout_s=timeout_s, limit_bytes=limit_bytes)

    async def get_ready(self) -> None:
        """A shell waits here, or is on its way."""
        if self._waiting is None and not self._is_starting:
            self._is_starting = True
            try:
                self._waiting = await self._start()
            finally:
                self._is_starting = False

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


class _Shell:
    """One that waits: it reads its script from a pipe, and ends where that is closed."""

    def __init__(self, process: Process, order: int) -> None:
        self.process = process
        self._order = order
        self._close = weakref.finalize(self, os.close, order)

    def tell(self, order: bytes) -> bool:
        """Whether it took the order; one whose guardian was lost does not.

        Never waits for an order of up to `LIMIT_ORDER_BYTES`.
        """
        with contextlib.suppress(BrokenPipeError):
            os.write(self._order, order)
            self._close()
            return True
        return False
