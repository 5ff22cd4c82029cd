"""The server about itself: who it is, and how it makes room for a newer one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ai_orchestrator.model.task import ServerInfo


class Drainable(Protocol):
    """The engine, as far as a drain needs it."""

    def begin_drain(self) -> None:
        """Claims nothing more and parks every workflow at its next step."""
        ...

    @property
    def running(self) -> frozenset[str]:
        """Workflows that are inside a step."""
        ...


class UnfinishedTasks(Protocol):
    """The store, as far as this needs it."""

    async def count_unfinished(self) -> int:
        """Tasks that are not final."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """What does not change while a server lives."""

    release: str
    epoch: int
    data_directory: Path
    started_at: datetime
    resumed_tasks: tuple[str, ...]


class ServerService:
    """Answers for the server; `leave` is called once it has drained."""

    def __init__(
        self,
        identity: Identity,
        engine: Drainable,
        store: UnfinishedTasks,
        leave: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._engine = engine
        self._store = store
        self._leave = leave
        self._draining: asyncio.Task[None] | None = None

    async def info(self) -> ServerInfo:
        """Who answers, and how much is left to do."""
        return ServerInfo(
            release=self._identity.release,
            epoch=self._identity.epoch,
            pid=os.getpid(),
            data_directory=str(self._identity.data_directory),
            started_at=self._identity.started_at,
            unfinished_tasks=await self._store.count_unfinished(),
            resumed_tasks=self._identity.resumed_tasks,
        )

    async def drain(self) -> ServerInfo:
        """Begins to drain; the server leaves once no workflow is inside a step. Idempotent.

        A step in mid-run is let finish: its agent has been paid for. Whoever cannot wait ends the
        process, which interrupts the step and loses nothing that was finished.
        """
        self.begin_drain()
        return await self.info()

    def begin_drain(self) -> None:
        """`drain`, in the server's event loop, for whoever wants no answer."""
        self._engine.begin_drain()
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._leave_when_idle())

    @property
    def is_draining(self) -> bool:
        """A drain has begun."""
        return self._draining is not None

    async def _leave_when_idle(self) -> None:
        while self._engine.running:  # noqa: ASYNC110  # it lives in other threads
            await asyncio.sleep(0.05)
        self._leave()
