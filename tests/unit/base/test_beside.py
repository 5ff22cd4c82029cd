"""Work that is begun ahead ends with its caller."""

from __future__ import annotations

import asyncio

import pytest

from ai_orchestrator.base.beside import Ahead, surely


async def test_a_second_cancellation_waits_for_the_work_too() -> None:
    """Nothing outlives its caller, however impatient somebody is."""
    is_tidying, may_end, ends = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_tidying.set()
            await may_end.wait()
            ends.append("work")

    async def caller() -> None:
        try:
            async with Ahead(work()):
                await asyncio.sleep(0)  # the work begins
                raise ValueError
        finally:
            ends.append("caller")

    calling = asyncio.create_task(caller())
    await is_tidying.wait()
    for _ in range(2):
        calling.cancel()
        await asyncio.sleep(0)
        assert not calling.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert ends == ["work", "caller"]


@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "failed"])
async def test_sure_work_is_done_whatever_becomes_of_the_block(*, is_cancelled: bool) -> None:
    """An answer that was paid for is saved, though nobody can go on with it now."""
    may_end, ends = asyncio.Event(), []

    async def work() -> None:
        await may_end.wait()
        ends.append("work")

    async def caller() -> None:
        try:
            async with surely(work()) as done:
                if not is_cancelled:
                    raise ValueError
                await done()
        finally:
            ends.append("caller")

    calling = asyncio.create_task(caller())
    for _ in range(3):
        await asyncio.sleep(0)
        if is_cancelled:
            calling.cancel()
    assert ends == []
    may_end.set()
    with pytest.raises(asyncio.CancelledError if is_cancelled else ValueError):
        await calling
    assert ends == ["work", "caller"]


async def test_what_sure_work_raises_is_raised_by_its_gate() -> None:
    """As often as it is asked."""

    async def work() -> None:
        raise OSError("no room")

    async with surely(work()) as done:
        for _ in range(2):
            with pytest.raises(OSError, match="no room"):
                await done()
