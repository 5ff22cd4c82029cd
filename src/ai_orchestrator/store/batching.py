"""Collects what an agent says, so that a chatty one costs few transactions.

The step that runs an agent makes one `EventBatcher` per execution and gives its `add` what the
agent's stream tells; `wiring` passes in `SqlRecords.emit` and the redactor's streams.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec

from ai_orchestrator.model.events import AgentTextData, NewEvent

LINGER_S = 0.1
"""How long an event may wait for company."""
BATCH_EVENTS = 50
JOINED_CHARS = 8_000
"""A joined text stays well below the event's limit of 16 KB, so that it is not cut."""
WAITING_LIMIT_EVENTS = 2_000
"""Events that may wait for the disk; a guess at more than a second of the fastest agent."""

Emit = Callable[[Sequence[NewEvent]], Awaitable[None]]


class TextStream(Protocol):
    """Redacts one stream of text, also where a secret is cut in two."""

    def feed_text(self, text: str) -> str:
        """What is safe to be shown by now; the rest is held back."""
        ...

    def finish_text(self) -> str:
        """What was held back. The stream may be fed again."""
        ...


class EventBatcher:
    """Joins text deltas and writes events in batches, in order. For one execution of one step.

    `add` never blocks. Who can wait calls `drain` now and then, as with a stream writer; who
    cannot loses what comes while `WAITING_LIMIT_EVENTS` wait for the disk, and the log says how
    much. A failed write is raised by `drain`, `flush` and `close`; nothing is written after it.
    """

    def __init__(self, emit: Emit, new_text_stream: Callable[[], TextStream]) -> None:
        self._emit = emit
        self._stream = new_text_stream()
        self._waiting: list[NewEvent] = []
        self._last_delta: NewEvent | None = None
        self._lost = 0
        self._last_lost: NewEvent | None = None
        self._is_urgent = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def add(self, event: NewEvent) -> None:
        """Takes an event, to be written within about 0.1 s. To be called in the event loop."""
        data = event.data
        if isinstance(data, AgentTextData) and data.is_delta:
            self._last_delta = event
            self._take_delta(event, self._stream.feed_text(data.text))
        else:
            self._end_text()
            self._take(event)

    async def drain(self) -> None:
        """Returns when little waits for the disk."""
        if len(self._waiting) >= BATCH_EVENTS:
            await self._settle()

    async def flush(self) -> None:
        """Returns when everything taken so far is committed."""
        self._end_text()
        await self._settle()
        self._tell_loss()
        await self._settle()

    async def close(self) -> None:
        """`flush`; nothing may be added afterwards."""
        await self.flush()

    def _take_delta(self, event: NewEvent, text: str) -> None:
        """Joins the text to the delta that waits last, else queues it under the event's id."""
        if not text:
            return
        last = self._waiting[-1] if self._waiting else None
        if last is not None and _may_join(last, text):
            assert isinstance(last.data, AgentTextData)
            joined = AgentTextData(last.data.text + text, is_delta=True)
            self._waiting[-1] = msgspec.structs.replace(last, data=joined)
            return
        self._take(msgspec.structs.replace(event, data=AgentTextData(text, is_delta=True)))

    def _end_text(self) -> None:
        if self._last_delta is None:
            return
        event, self._last_delta = self._last_delta, None
        # Another id: the event's own may be written already, with the text before this.
        rest = msgspec.structs.replace(event, id=f"{event.id}:rest")
        self._take_delta(rest, self._stream.finish_text())

    def _take(self, event: NewEvent) -> None:
        if len(self._waiting) >= WAITING_LIMIT_EVENTS:
            self._lost += 1
            self._last_lost = event
            return
        self._tell_loss()
        self._put(event)

    def _tell_loss(self) -> None:
        if self._last_lost is not None:
            self._put(_loss(self._last_lost, self._lost))
            self._last_lost, self._lost = None, 0

    def _put(self, event: NewEvent) -> None:
        if self._has_failed:
            return  # the owner learns it by `drain`, `flush` or `close`
        self._waiting.append(event)
        if len(self._waiting) >= BATCH_EVENTS:
            self._is_urgent.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    @property
    def _has_failed(self) -> bool:
        writer = self._writer
        if writer is None or not writer.done():
            return False
        return writer.cancelled() or writer.exception() is not None

    async def _settle(self) -> None:
        """Waits until nothing waits. Raises what made the writing fail."""
        if self._writer is not None:
            self._is_urgent.set()
            await asyncio.wait((self._writer,))
            self._is_urgent.clear()
            self._writer.result()

    async def _write(self) -> None:
        """Lives while something waits."""
        while self._waiting:
            await self._linger()
            batch, self._waiting = self._waiting[:BATCH_EVENTS], self._waiting[BATCH_EVENTS:]
            await self._emit(batch)

    async def _linger(self) -> None:
        if len(self._waiting) >= BATCH_EVENTS:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._is_urgent.wait()


def _may_join(last: NewEvent, text: str) -> bool:
    data = last.data
    if not isinstance(data, AgentTextData) or not data.is_delta:
        return False
    return len(data.text) + len(text) <= JOINED_CHARS


def _loss(last_lost: NewEvent, count: int) -> NewEvent:
    text = f"[{count} events of this agent were lost here: it wrote faster than the disk]"
    return msgspec.structs.replace(last_lost, id=f"{last_lost.id}:lost", data=AgentTextData(text))
