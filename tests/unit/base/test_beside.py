"""Work that is begun ahead ends with its caller."""

from __future__ import annotations

import asyncio

import pytest

from ai_orchestrator.base.beside import Ahead


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
