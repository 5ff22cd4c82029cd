"""Work beside other work, owned until it ends: nothing that is begun here outlives its caller.

For what waits, each on its own, for a disk, for git, for a program: an agent step gathers its
prompt while its row is written, a task's repository is looked at while its workflow is compiled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
First = TypeVar("First")
Second = TypeVar("Second")

Gate = Callable[[], Coroutine[Any, Any, None]]
"""Returns when what others have to wait for is done; may be asked several times."""


async def always_open() -> None:
    """The gate of whoever has nothing to wait for."""


async def until_done(task: asyncio.Task[Any]) -> bool:
    """Returns when the task is done, and whether the caller was cancelled meanwhile.

    For what has to end first whatever happens, and is bounded. The cancellation is the caller's to
    raise; what the task raised counts as seen.
    """
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            is_cancelled = True
    if not task.cancelled():
        task.exception()
    return is_cancelled


async def together(
    first: Coroutine[object, object, First], second: Coroutine[object, object, Second]
) -> tuple[First, Second]:
    """Both results; when one fails the other is cancelled and awaited before the error goes on."""
    try:
        async with asyncio.TaskGroup() as group:
            one, two = group.create_task(first), group.create_task(second)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return one.result(), two.result()


@asynccontextmanager
async def surely(work: Coroutine[Any, Any, None]) -> AsyncIterator[Gate]:
    """Work beside the block that is done whatever becomes of the block; it has to be bounded.

    Gives a gate that opens with its end, and raises what it raised.
    """
    task = asyncio.get_running_loop().create_task(work)

    async def gate() -> None:
        await asyncio.shield(task)

    try:
        yield gate
    finally:
        if await until_done(task):
            raise asyncio.CancelledError


class Ahead(Generic[T]):
    """`async with` begins the work and ends it, whether or not its result was asked for."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        if await until_done(self._task):
            raise asyncio.CancelledError

    async def result(self) -> T:
        """What the work came to. Raises what it raised."""
        return await self._task
