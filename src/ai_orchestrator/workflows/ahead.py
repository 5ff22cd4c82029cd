"""Work that is done while its owner does something else, and never outlives it.

An agent step gathers its prompt while its row is written: neither needs the other, and each waits
for a disk or for git.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


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
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.exception()  # whoever did not ask for the result has an error of their own

    async def result(self) -> T:
        """What the work came to. Raises what it raised."""
        return await self._task
