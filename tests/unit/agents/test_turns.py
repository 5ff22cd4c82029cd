"""Who has the turn, who waits, and who has it next; also across threads."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from tests.agents.bench import until

from ai_orchestrator.agents.turns import TurnLimitError, Turns

LIMIT_S = 30.0


def turn(
    turns: Turns, name: str = "a", limit_s: float = LIMIT_S, waits: list[str] | None = None
) -> AbstractAsyncContextManager[None]:
    """A turn; the name goes to `waits` when it has to be waited for."""
    told = [] if waits is None else waits
    return turns.turn(name, limit_s=limit_s, on_wait=lambda: told.append(name))


class Line:
    """Runs that take turns and write down when they have theirs."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.waits: list[str] = []
        self.had: list[int] = []
        self.gates = [asyncio.Event() for _ in range(3)]

    def start(self, number: int) -> asyncio.Task[None]:
        """A run that keeps its turn until its gate opens."""
        return asyncio.create_task(self._run(number))

    def is_at(self, number: int) -> bool:
        """It has its turn, after all before it."""
        return self.had == list(range(number + 1))

    async def _run(self, number: int) -> None:
        async with turn(self.turns, waits=self.waits):
            self.had.append(number)
            await self.gates[number].wait()


async def test_a_free_name_is_had_at_once() -> None:
    """Also again, and another name beside it."""
    turns, waits = Turns(), list[str]()
    async with turn(turns, waits=waits), turn(turns, "b", waits=waits):
        pass
    async with turn(turns, waits=waits):
        pass
    assert waits == []


async def test_turns_come_in_the_order_of_asking() -> None:
    """One at a time."""
    line = Line()
    runs = [line.start(number) for number in range(3)]
    await until(lambda: len(line.waits) == 2)
    for number, run in enumerate(runs):
        await until(partial(line.is_at, number))
        line.gates[number].set()
        await run
    assert line.had == [0, 1, 2]


async def test_whoever_gives_up_waiting_is_passed_over() -> None:
    """The turn goes to the next one."""
    line = Line()
    runs = [line.start(number) for number in range(3)]
    await until(lambda: len(line.waits) == 2)
    runs[1].cancel()
    line.gates[0].set()
    line.gates[2].set()
    await asyncio.gather(*runs, return_exceptions=True)
    assert line.had == [0, 2]


async def test_a_failure_gives_the_turn_back() -> None:
    """Whatever became of the run."""
    turns = Turns()
    with pytest.raises(RuntimeError):
        async with turn(turns):
            raise RuntimeError
    async with turn(turns, limit_s=0.0):
        pass


async def test_waiting_has_a_limit() -> None:
    """After which the others go on as if nobody had asked."""
    turns = Turns()
    async with turn(turns):
        with pytest.raises(TurnLimitError):
            async with turn(turns, limit_s=0.05):
                pytest.fail("two had it")
    async with turn(turns, limit_s=0.0):
        pass


async def test_loops_in_other_threads_stand_in_the_same_line() -> None:
    """Steps of several tasks may run so."""
    turns, waits, had = Turns(), list[str](), threading.Event()

    async def elsewhere() -> None:
        async with turn(turns, waits=waits):
            had.set()

    async with turn(turns):
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        thread.start()
        await until(lambda: len(waits) == 1)
        assert not had.is_set()
    await asyncio.to_thread(thread.join, LIMIT_S)
    assert had.is_set()


async def test_many_at_once_are_never_two() -> None:
    """Threads and loops, most of which give up at some time."""
    turns, inside, most = Turns(), list[int](), list[int]()

    async def one(number: int) -> None:
        limit_s = 0.001 * number if number % 3 else LIMIT_S
        try:
            async with turn(turns, limit_s=limit_s):
                inside.append(number)
                most.append(len(inside))
                await asyncio.sleep(0)
                inside.remove(number)
        except TurnLimitError:
            pass

    async def some() -> None:
        await asyncio.gather(*(one(number) for number in range(60)))

    threads = [threading.Thread(target=lambda: asyncio.run(some())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join, LIMIT_S)
    assert set(most) == {1}
    assert len(most) >= 4 * 20
