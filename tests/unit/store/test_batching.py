"""Collecting what an agent says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ai_orchestrator.model.events import (
    EVENT_LIMIT_BYTES,
    AgentTextData,
    AgentToolData,
    NewEvent,
    encode_data,
)
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.store.batching import (
    BATCH_EVENTS,
    LINGER_S,
    WAITING_LIMIT_EVENTS,
    EventBatcher,
)


class Log:
    """Takes batches; can be told to wait or to fail."""

    def __init__(self) -> None:
        self.batches: list[list[NewEvent]] = []
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.has_batch = asyncio.Event()
        self.failure: Exception | None = None
        self.redactor = Redactor()

    async def emit(self, events: Sequence[NewEvent]) -> None:
        """Keeps a batch."""
        await self.may_write.wait()
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(events))
        self.has_batch.set()

    def batcher(self) -> EventBatcher:
        """A batcher that writes here."""
        return EventBatcher(self.emit, self.redactor.new_stream)

    @property
    def ids(self) -> list[str]:
        """Ids of all events, as they came."""
        return [event.id for batch in self.batches for event in batch]

    @property
    def text(self) -> str:
        """All text of all events."""
        return "".join(
            event.data.text
            for batch in self.batches
            for event in batch
            if isinstance(event.data, AgentTextData)
        )


def _tool(number: int) -> NewEvent:
    return NewEvent(f"e-{number}", "t-1", 1, AgentToolData("1", "bash", "start"))


def _delta(number: int, text: str) -> NewEvent:
    return NewEvent(f"d-{number}", "t-1", 1, AgentTextData(text, is_delta=True))


async def test_events_are_written_in_batches_and_in_order() -> None:
    """120 events take three transactions."""
    log = Log()
    async with log.batcher() as batcher:
        for number in range(120):
            batcher.add(_tool(number))
    assert [len(batch) for batch in log.batches] == [50, 50, 20]
    assert log.ids == [f"e-{number}" for number in range(120)]


async def test_single_event_is_written_soon_without_a_flush() -> None:
    """Nobody has to come after it; it waits about a tenth of a second for company."""
    log = Log()
    batcher = log.batcher()
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    batcher.add(_tool(1))
    batcher.add(_tool(2))
    assert log.batches == []
    async with asyncio.timeout(30):
        await log.has_batch.wait()
    assert loop.time() - begun_s >= LINGER_S * 0.9  # timers may fire a clock tick early
    assert log.ids == ["e-1", "e-2"]
    await batcher.close()


async def test_full_batch_does_not_linger() -> None:
    """The fiftieth event starts the writing, though nobody flushes."""
    log = Log()
    batcher = log.batcher()
    for number in range(BATCH_EVENTS):
        batcher.add(_tool(number))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(log.ids) == BATCH_EVENTS
    await batcher.close()


async def test_text_deltas_are_joined_under_the_first_id() -> None:
    """Deltas that follow each other become one; other events part them."""
    log = Log()
    async with log.batcher() as batcher:
        for number, text in enumerate(["I ", "have ", "an "]):
            batcher.add(_delta(number, text))
        batcher.add(_tool(1))
        batcher.add(_delta(3, "idea"))
    (batch,) = log.batches
    assert [(e.id, e.data) for e in batch if e.id != "e-1"] == [
        ("d-0", AgentTextData("I have an ", is_delta=True)),
        ("d-3", AgentTextData("idea", is_delta=True)),
    ]
    assert log.ids[1] == "e-1"


async def test_joined_text_stays_below_the_limit_of_an_event() -> None:
    """A flood of text is many events, none of which has to be cut."""
    log = Log()
    async with log.batcher() as batcher:
        for number in range(300):
            batcher.add(_delta(number, "x" * 99 + "\n"))
    assert log.text == ("x" * 99 + "\n") * 300
    assert all(len(encode_data(e.data)) <= EVENT_LIMIT_BYTES for b in log.batches for e in b)
    assert len(log.ids) < 10


async def test_secret_cut_in_two_by_deltas_is_redacted() -> None:
    """Whatever the time between them, no half of a secret is written."""
    log = Log()
    log.redactor.add("t-1", {"KEY": "very-secret-value"})
    batcher = log.batcher()
    batcher.add(_delta(0, "it is very-sec"))
    await batcher.drain()
    async with asyncio.timeout(30):
        await log.has_batch.wait()
    assert log.text == "it is "
    batcher.add(_delta(1, "ret-value, and ve"))
    await batcher.close()
    assert log.text == "it is [redacted:KEY], and ve"
    assert len(set(log.ids)) == len(log.ids)


async def test_held_text_is_written_before_what_follows() -> None:
    """Text that might have begun a secret keeps its place before a tool call."""
    log = Log()
    log.redactor.add("t-1", {"KEY": "very-secret-value"})
    async with log.batcher() as batcher:
        batcher.add(_delta(0, "a very"))
        batcher.add(_tool(1))
    assert log.text == "a very"
    assert log.ids[-1] == "e-1"


async def test_flush_returns_when_everything_is_written() -> None:
    """Also what is being written at that moment."""
    log = Log()
    batcher = log.batcher()
    log.may_write.clear()
    batcher.add(_tool(1))
    flushing = asyncio.create_task(batcher.flush())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not flushing.done()
    batcher.add(_tool(2))
    log.may_write.set()
    await flushing
    assert log.ids == ["e-1", "e-2"]
    await batcher.close()


async def test_drain_waits_only_while_much_is_waiting() -> None:
    """A writer that drains is slowed to the pace of the disk."""
    log = Log()
    batcher = log.batcher()
    batcher.add(_tool(0))
    await batcher.drain()
    assert log.batches == []
    log.may_write.clear()
    for number in range(1, 200):
        batcher.add(_tool(number))
    draining = asyncio.create_task(batcher.drain())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not draining.done()
    log.may_write.set()
    await draining
    assert len(log.ids) == 200
    await batcher.close()


async def test_flood_is_bounded_and_the_loss_is_told() -> None:
    """What comes while the disk stands still beyond the limit is lost, and the log says so."""
    log = Log()
    log.may_write.clear()
    batcher = log.batcher()
    for number in range(WAITING_LIMIT_EVENTS + 7):
        batcher.add(_tool(number))
    log.may_write.set()
    await batcher.flush()
    batcher.add(_tool(9_999))
    await batcher.close()
    assert len(log.ids) == WAITING_LIMIT_EVENTS + 2
    assert "[7 events of this agent were lost here" in log.text
    assert log.ids[-2:] == [f"e-{WAITING_LIMIT_EVENTS + 6}:lost", "e-9999"]


@pytest.mark.parametrize("method", ["drain", "flush", "close"])
async def test_failed_write_is_raised_and_nothing_follows(method: str) -> None:
    """The step learns that its events could not be stored."""
    log = Log()
    log.failure = OSError("no space left")
    batcher = log.batcher()
    for number in range(BATCH_EVENTS):
        batcher.add(_tool(number))
    with pytest.raises(OSError, match="no space"):
        await getattr(batcher, method)()
    log.failure = None
    for number in range(BATCH_EVENTS):
        batcher.add(_tool(number))
    with pytest.raises(OSError, match="no space"):
        await batcher.close()
    assert log.batches == []


async def test_batcher_that_got_nothing_writes_nothing() -> None:
    """No transaction without an event."""
    log = Log()
    async with log.batcher() as batcher:
        batcher.add(_delta(0, ""))
        await batcher.flush()
    assert log.batches == []
