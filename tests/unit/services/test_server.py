"""How a server makes room: nothing new is begun, what runs comes to its step's end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from ai_orchestrator.services.server import Identity, ServerService

LIMIT_S = 10.0


class Workflows:
    """An engine as far as a drain sees it."""

    def __init__(self, *running: str) -> None:
        self.inside = set(running)
        self.drains = 0

    def begin_drain(self) -> None:
        """Counts how often it was told."""
        self.drains += 1

    @property
    def running(self) -> frozenset[str]:
        """Those inside a step."""
        return frozenset(self.inside)


class Store:
    """Three tasks are not final."""

    async def count_unfinished(self) -> int:
        """As said."""
        return 3


def service(engine: Workflows, has_left: asyncio.Event) -> ServerService:
    """A server that says when it leaves."""
    identity = Identity("0.1.0", 1, Path("/data"), datetime(2026, 1, 31, tzinfo=UTC), ("t-1",))
    return ServerService(identity, engine, Store(), has_left.set)


async def test_a_server_tells_who_it_is() -> None:
    """And what is left to do."""
    info = await service(Workflows(), asyncio.Event()).info()
    assert (info.release, info.epoch, info.data_directory) == ("0.1.0", 1, "/data")
    assert (info.unfinished_tasks, info.resumed_tasks) == (3, ("t-1",))


async def test_an_idle_server_leaves_at_once() -> None:
    """There is nothing to wait for."""
    has_left = asyncio.Event()
    server = service(Workflows(), has_left)
    assert (await server.drain()).unfinished_tasks == 3
    assert server.is_draining
    await asyncio.wait_for(has_left.wait(), LIMIT_S)


async def test_a_busy_server_leaves_when_no_step_runs_any_more() -> None:
    """However often it is asked to: it leaves once."""
    engine, has_left = Workflows("w-1", "w-2"), asyncio.Event()
    server = service(engine, has_left)
    await server.drain()
    await server.drain()
    engine.inside.discard("w-1")
    await asyncio.sleep(0)
    assert not has_left.is_set()
    engine.inside.clear()
    await asyncio.wait_for(has_left.wait(), LIMIT_S)
    assert engine.drains == 2
