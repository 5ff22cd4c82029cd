"""Takes turns: of all runs in this process, one at a time uses an account whose tokens rotate.

Used by the host through `vendor_home`. A refresh token is good for one use: two programs that renew
it at once log each other out.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager, suppress


class TurnLimitError(Exception):
    """The turn did not come in time."""


class Turns:
    """A line of waiting runs for each name. Usable from any thread and any event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, deque[Future[None]]] = {}

    @asynccontextmanager
    async def turn(
        self, name: str, *, limit_s: float, on_wait: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Holds the name for the block, after all who came before.

        `on_wait` is called once where it is not free at once. Raises `TurnLimitError` when the
        turn has not come within `limit_s`.
        """
        place: Future[None] = Future()
        is_late = not self._join(name, place)
        try:
            if is_late:
                on_wait()
                await _called(place, limit_s)
            yield
        finally:
            self._leave(name, place)

    def _join(self, name: str, place: Future[None]) -> bool:
        """Stands at the end of the line; True where that is its head."""
        with self._lock:
            line = self._lines.setdefault(name, deque())
            line.append(place)
            return line[0] is place

    def _leave(self, name: str, place: Future[None]) -> None:
        """Whoever stands at the head then has the turn."""
        with self._lock:
            line = self._lines[name]
            was_first = line[0] is place
            line.remove(place)
            if not line:
                del self._lines[name]
            elif was_first:
                _call(line[0])


async def _called(place: Future[None], limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await asyncio.wrap_future(place)
    except TimeoutError as error:
        raise TurnLimitError from error


def _call(place: Future[None]) -> None:
    with suppress(InvalidStateError):  # cancelled just now: it passes the turn on when it leaves
        place.set_result(None)
