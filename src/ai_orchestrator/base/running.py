"""Running a command from start to end with all that it prints, under any spawner.

`run` is imported from `base/process.py`; agents, which speak while they run, use `Process` itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from ai_orchestrator.base.beside import until_done
from ai_orchestrator.base.command import Command, Completed, Exit, Process, Spawner

STOP_GRACE_S = 2.0
"""A guess: agents that tidy up after TERM were seen to take well under 1 s."""

_DRAIN_LIMIT_S = 5.0
"""When all processes have ended their pipes are at end of file, unless somebody outside holds one
(a descriptor that was passed on)."""


async def run(
    spawner: Spawner, command: Command, *, timeout_s: float, limit_bytes: int
) -> Completed:
    """The command's result after its end; stopped as a whole tree when `timeout_s` have passed.

    Of each stream the first `limit_bytes` are kept; the rest is read and dropped, so that the
    program never waits for us. When the caller is cancelled the tree is stopped before the
    cancellation goes on. Raises what `Spawner.start` and `Process.wait` raise.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    process = await spawner.start(command)
    return await run_on(process, timeout_s=timeout_s, limit_bytes=limit_bytes, began_s=began_s)


async def run_on(
    process: Process, *, timeout_s: float, limit_bytes: int, began_s: float | None = None
) -> Completed:
    """As `run`, for a command that has been started; its duration counts from `began_s` or now.

    `began_s`: a time of the running loop.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time() if began_s is None else began_s
    streams = _Cut(process.stdout(), limit_bytes), _Cut(process.stderr(), limit_bytes)
    watched = await watch(process, [stream.read() for stream in streams], timeout_s=timeout_s)
    return Completed(
        exit=watched.exit,
        stdout=bytes(streams[0].kept),
        stderr=bytes(streams[1].kept),
        is_truncated=not watched.is_all_read or any(stream.is_cut for stream in streams),
        is_timed_out=watched.is_timed_out,
        duration_s=loop.time() - began_s,
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """How a command ended under its readers."""

    exit: Exit
    is_timed_out: bool
    is_all_read: bool
    """Every reader came to the end of its stream."""


async def watch(
    process: Process, readers: Sequence[Coroutine[Any, Any, None]], *, timeout_s: float
) -> Watched:
    """The command's end, with its streams read beside it; stopped when its time is over.

    What a reader raises goes on, with the whole tree stopped; so does a cancellation of the caller.
    """
    reading = [asyncio.create_task(reader) for reader in readers]
    ending = asyncio.create_task(process.wait())
    try:
        done, _ = await asyncio.wait((ending,), timeout=timeout_s)
        how = await (ending if done else process.stop(STOP_GRACE_S))
        read, unread = await asyncio.wait(reading, timeout=_DRAIN_LIMIT_S)
        for task in read:
            task.result()
    except BaseException:
        await until_done(asyncio.create_task(process.stop(STOP_GRACE_S)))
        raise  # the caller's own error or cancellation, whatever came of stopping
    finally:
        await _cancelled(ending, *reading)
    return Watched(how, not done, not unread)


class _Cut:
    """A stream of which the beginning is kept."""

    def __init__(self, chunks: AsyncIterator[bytes], limit_bytes: int) -> None:
        self._chunks = chunks
        self._limit_bytes = limit_bytes
        self.kept = bytearray()
        self.is_cut = False

    async def read(self) -> None:
        """Read to the end."""
        async for chunk in self._chunks:
            room = self._limit_bytes - len(self.kept)
            self.is_cut = self.is_cut or len(chunk) > room
            self.kept += chunk[: max(0, room)]


async def _cancelled(*tasks: asyncio.Task[None] | asyncio.Task[Exit]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
