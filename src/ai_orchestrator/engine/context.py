"""The durable context: each step's value is read from the journal, or made and recorded there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from dbos import DBOS

from ai_orchestrator.base.errors import InternalError, OrchestratorError
from ai_orchestrator.engine.journal import JournalObserver

T = TypeVar("T")
log = logging.getLogger(__name__)


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
        self._parked: set[str] = set()

    def close(self) -> None:
        """Parks every workflow at its next step."""
        self._is_closed = True

    @property
    def parked(self) -> frozenset[str]:
        """Ids of the workflows that are parked."""
        return frozenset(self._parked)

    async def pass_through(self, workflow_id: str) -> None:
        """Returns at once while open; never returns once closed."""
        if self._is_closed:
            self._parked.add(workflow_id)
            await asyncio.Event().wait()


class EngineContext:
    """`DurableContext` over the engine's journal, for one workflow execution."""

    def __init__(self, workflow_id: str, gate: DrainGate, observe: JournalObserver) -> None:
        self._workflow_id = workflow_id
        self._gate = gate
        self._observe = observe

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
            outcome = await _outcome_of(action)
            self._observe("acted", self._workflow_id, name)
            return outcome

        outcome = await DBOS.run_step_async({"name": name, "preemptible": is_preemptible}, act)
        self._observe("recorded", self._workflow_id, name)
        if "failed" in outcome:
            raise StepFailedError(f"step {name}: {outcome['failed']}", exit_code=outcome["exit"])
        return msgspec.convert(outcome["value"], returns, strict=False)


async def _outcome_of(action: Callable[[], Awaitable[T]]) -> dict[str, Any]:
    """The action's value or its error as builtins; the library must never see an exception.

    It would store the exception itself, which no other release could read back.
    """
    try:
        value = await action()
    except OrchestratorError as error:
        return {"failed": str(error), "exit": error.exit_code}
    except Exception as error:  # top of a step: becomes the step's outcome
        log.exception("a step raised")
        return {"failed": f"{type(error).__name__}: {error}", "exit": InternalError.exit_code}
    return {"value": msgspec.to_builtins(value)}
