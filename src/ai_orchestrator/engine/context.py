"""The durable context: each step's value is read from the journal, or made and recorded there."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec
from dbos import DBOS

from ai_orchestrator.base.errors import (
    EnvironmentProblemError,
    InternalError,
    OrchestratorError,
    TemporaryError,
)
from ai_orchestrator.engine.journal import JournalObserver

T = TypeVar("T")
MAX_TRIES = 12
"""Of one step in one execution; a step of its own counts its interruptions and gives up before."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
log = logging.getLogger(__name__)


class Clean(Protocol):
    """Takes secrets out of a value that is about to be journaled."""

    def __call__(self, value: T, /) -> T:
        """The value without them; the same object where there are none."""
        ...


def keep_as_is(value: T, /) -> T:
    """The value itself: for journals that hold no secret."""
    return value


class StepFailedError(InternalError):
    """A step's action raised; the journal keeps that, so a replay fails in the same way."""

    code = "step-failed"

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # of what was raised: tells a lack of the machine from a defect


class DrainGate:
    """Open while the process may begin steps; once closed it parks whoever comes to it.

    A parked workflow is left as it is: its row stays pending, and the next process that owns the
    database takes it up at the step it had come to.
    """

    def __init__(self) -> None:
        self._is_closed = False
        self._is_abandoned = False
        self._parked: set[str] = set()

    def close(self) -> None:
        """Parks every workflow at its next step."""
        self._is_closed = True

    def abandon(self) -> None:
        """Parks every workflow also at the end of the step that it is in: the process leaves.

        What such a step comes to is owed to the leaving (its agent is killed under it), not to the
        work. Nothing of it may be recorded.
        """
        self._is_closed = True
        self._is_abandoned = True

    @property
    def is_abandoned(self) -> bool:
        """The process is on its way out."""
        return self._is_abandoned

    @property
    def parked(self) -> frozenset[str]:
        """Ids of the workflows that are parked."""
        return frozenset(self._parked)

    async def pass_through(self, workflow_id: str) -> None:
        """Returns at once while open; never returns once closed."""
        if self._is_closed:
            await self._park(workflow_id)

    async def leave_step(self, workflow_id: str) -> None:
        """Returns at once, never when the process leaves."""
        if self._is_abandoned:
            await self._park(workflow_id)

    async def _park(self, workflow_id: str) -> None:
        self._parked.add(workflow_id)
        await asyncio.Event().wait()


class EngineContext:
    """`DurableContext` over the engine's journal, for one workflow execution."""

    def __init__(
        self, workflow_id: str, gate: DrainGate, observe: JournalObserver, clean: Clean
    ) -> None:
        self._workflow_id = workflow_id
        self._gate = gate
        self._observe = observe
        self._clean = clean

    async def step(
        self,
        name: str,
        action: Callable[[], Awaitable[T]],
        returns: type[T],
        *,
        is_preemptible: bool = False,
    ) -> T:
        """The action's value, from the journal when it finished before.

        Raises `StepFailedError` when the action raised, now or in an earlier execution.
        """

        async def act() -> dict[str, Any]:
            await self._gate.pass_through(self._workflow_id)
            self._observe("before", self._workflow_id, name)
            outcome = await self._outcome_of(action)
            await self._gate.leave_step(self._workflow_id)
            self._observe("acted", self._workflow_id, name)
            return outcome

        outcome = await DBOS.run_step_async({"name": name, "preemptible": is_preemptible}, act)
        self._observe("recorded", self._workflow_id, name)
        if "failed" in outcome:
            raise StepFailedError(f"step {name}: {outcome['failed']}", exit_code=outcome["exit"])
        return msgspec.convert(outcome["value"], returns, strict=False)

    async def _outcome_of(self, action: Callable[[], Awaitable[T]]) -> dict[str, Any]:
        """The action's value or its error as builtins; the library must never see an exception.

        It would store the exception itself, which no other release could read back. An action is
        re-entrant, so one that met a temporary trouble (its guardian was lost, the database is
        busy) is entered again.
        """
        try:
            value = await self._persistently(action)
        except OrchestratorError as error:
            return {"failed": self._clean(str(error)), "exit": error.exit_code}
        except Exception as error:  # top of a step: becomes the step's outcome
            if not self._gate.is_abandoned:
                log.exception("a step raised")
            is_full = isinstance(error, OSError) and error.errno in _FULL
            kind = EnvironmentProblemError if is_full else InternalError
            said = self._clean(f"{type(error).__name__}: {error}")
            return {"failed": said, "exit": kind.exit_code}
        return {"value": msgspec.to_builtins(self._clean(value))}

    async def _persistently(self, action: Callable[[], Awaitable[T]]) -> T:
        for _ in range(MAX_TRIES - 1):
            try:
                return await action()
            except TemporaryError as error:
                log.warning("%s: a step is entered again: %s", self._workflow_id, error)
                await self._gate.leave_step(self._workflow_id)
                await asyncio.sleep(error.delay_s)
        return await action()
