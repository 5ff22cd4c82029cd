"""Waking readers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ai_orchestrator.store.wakeups import Subscription, Wakeups

LONG_S = 30.0


async def test_signal_before_the_wait_is_not_lost() -> None:
    """A commit between reading and waiting ends the wait at once; the next wait waits again."""
    wakeups = Wakeups()
    with wakeups.subscribe("t-1") as wake:
        wakeups.signal("t-1")
        wakeups.signal("t-1")
        assert await wake.wait(LONG_S)
        assert not await wake.wait(0)


async def test_signal_ends_every_wait_on_its_task() -> None:
    """Two readers of a task are woken, the reader of another is not."""
    wakeups = Wakeups()
    mine, too, other = (wakeups.subscribe(t) for t in ("t-1", "t-1", "t-2"))
    waits = [asyncio.create_task(reader.wait(LONG_S)) for reader in (mine, too)]
    idle = asyncio.create_task(other.wait(0.01))
    await asyncio.sleep(0)
    wakeups.signal("t-1")
    assert await asyncio.gather(*waits, idle) == [True, True, False]


async def test_signal_ends_one_wait_only() -> None:
    """A signal that ended a wait is used up: the next wait is for the next commit."""
    wakeups = Wakeups()
    wake = wakeups.subscribe("t-1")
    waiting = asyncio.create_task(wake.wait(LONG_S))
    await asyncio.sleep(0)
    wakeups.signal("t-1")
    assert await waiting
    assert not await wake.wait(0)


async def test_closed_subscription_is_forgotten() -> None:
    """Readers that went leave nothing behind, however often they close."""
    wakeups = Wakeups()
    with wakeups.subscribe("t-1") as wake:
        assert wakeups.count == 1
    wake.close()
    assert wakeups.count == 0
    wakeups.signal("t-1")
    assert not await wake.wait(0)


async def test_cancelled_wait_can_be_repeated() -> None:
    """A reader that was cancelled in its wait does not disturb the next signal."""
    wakeups = Wakeups()
    wake = wakeups.subscribe("t-1")
    waiting = asyncio.create_task(wake.wait(LONG_S))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    wakeups.signal("t-1")
    assert await wake.wait(LONG_S)


def test_reader_whose_loop_has_ended_does_no_harm() -> None:
    """A signal for a wait in a closed event loop reaches everybody else."""
    wakeups = Wakeups()
    loop = asyncio.new_event_loop()
    gone = wakeups.subscribe("t-1")
    waiting = loop.create_task(gone.wait(LONG_S))
    loop.call_soon(loop.stop)
    loop.run_forever()
    waiting.cancel()
    loop._ready.clear()  # type: ignore[attr-defined]  # the loop ends without running the wait's clean-up
    loop.close()
    other = wakeups.subscribe("t-1")
    wakeups.signal("t-1")
    assert asyncio.run(other.wait(LONG_S))
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # on purpose, see above


def test_signals_from_threads_reach_a_loop_in_another() -> None:
    """Every signal after a wait ends the next one: none is lost on the way between threads."""
    wakeups = Wakeups()
    wake = wakeups.subscribe("t-1")
    seen = threading.Semaphore(0)

    async def read(reader: Subscription) -> list[bool]:
        results = []
        for _ in range(50):
            results.append(await reader.wait(LONG_S))
            seen.release()
        return results

    def write() -> None:
        for _ in range(50):
            wakeups.signal("t-1")
            assert seen.acquire(timeout=LONG_S)

    writer = threading.Thread(target=write)
    writer.start()
    assert asyncio.run(read(wake)) == [True] * 50
    writer.join(LONG_S)
