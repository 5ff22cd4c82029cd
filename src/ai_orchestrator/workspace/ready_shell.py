"""A shell that was started before there is anything for it to do, for chains of git calls.

Starting a process tree takes 4 ms, as long as two calls of git, and every step of a task waits for
such chains. So the next chain's shell is started while this one runs. Each serves once; one that
is never asked ends with the spawner, or as soon as nobody can ask it any more.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.base.beside import Ahead, Gate, always_open, together
from ai_orchestrator.base.process import Command, Completed, Process, Spawner, run_on

LIMIT_ORDER_BYTES = 60_000
"""What a pipe takes at once; longer orders are given as a command of their own."""
_ORDER_FD, _GATE_FD = 3, 4
SCRIPT = f". /dev/fd/{_ORDER_FD}"
"""What such a shell runs: a script that comes later."""
BEHIND_GATE = f"read -r _ <&{_GATE_FD} || exit"
"""A line of a script behind which it goes on once `run` was told so."""


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

    async def run(
        self, order: bytes, *, timeout_s: float, limit_bytes: int, gate: Gate = always_open
    ) -> Completed:
        """What a shell that reads this script came to; as `run` of `base/process`.

        `gate` is awaited at the same time, and opens the script's gate; what it raises goes on,
        with the shell stopped.
        """
        shell, self._waiting = self._waiting, None
        if shell is None or not shell.tell(order):
            shell = await self._start()
            shell.tell(order)  # where this fails its end says so
        running = run_on(shell.process, timeout_s=timeout_s, limit_bytes=limit_bytes)
        async with Ahead(self._refill()):
            completed, _ = await together(running, shell.pass_gate(gate))
            return completed

    async def _refill(self) -> None:
        if self._waiting is None and not self._is_starting:
            self._is_starting = True
            try:
                self._waiting = await self._start()
            finally:
                self._is_starting = False

    async def _start(self) -> _Shell:
        order, gate = _Way(), _Way()
        try:
            command = Command(
                argv=self._seat.argv,
                cwd=Path("/"),
                env=self._seat.env,
                tree=self._new_name(),
                pass_fds={_ORDER_FD: order.theirs, _GATE_FD: gate.theirs},
            )
            return _Shell(await self._spawner.start(command), order, gate)
        finally:
            os.close(order.theirs)
            os.close(gate.theirs)


class _Shell:
    """One that waits: it reads its script from a pipe, and ends where that is closed."""

    def __init__(self, process: Process, order: _Way, gate: _Way) -> None:
        self.process = process
        self._order = order
        self._gate = gate

    def tell(self, order: bytes) -> bool:
        """Whether it took the order; one whose guardian was lost does not."""
        return self._order.write(order)

    async def pass_gate(self, gate: Gate) -> None:
        """Lets the script pass its gate when ours is open."""
        await gate()
        self._gate.write(b"go\n")


class _Way:
    """A pipe to a shell, that is written to once. Ours is closed then, or when it is dropped."""

    def __init__(self) -> None:
        self.theirs, self._ours = os.pipe2(os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._ours)

    def write(self, content: bytes) -> bool:
        """Whether anybody can read it. Never waits for content of up to `LIMIT_ORDER_BYTES`."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._ours, content)
            self._close()
            return True
        return False
