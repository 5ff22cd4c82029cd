"""Sees to it that every attempt's row has an end, also where its work was not let come to one.

Used by the steps: for what an earlier process left running, and around their own work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import msgspec

from ai_orchestrator.base.errors import OrchestratorError, TemporaryError
from ai_orchestrator.model.events import StepFinishedData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.task import StepView
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.world import World

Ending = Literal["interrupted", "failed"]
PROCESS_ENDED = "The process that ran it ended."
STOPPED = "It was stopped."


async def close_attempt(
    world: World,
    key: StepKey,
    view: StepView,
    *,
    outcome: Ending = "interrupted",
    reason: str,
) -> None:
    """The row of the attempt is ended, with its event; one that has an end keeps it."""
    ended = msgspec.structs.replace(
        view, outcome=outcome, reason=reason, finished_at=world.clock.now()
    )
    duration_s = (world.clock.now() - view.started_at).total_seconds()
    finished = StepFinishedData(outcome, reason, usage=ended.usage, duration_s=duration_s)
    await world.records.finish_attempt(
        ended, key.task, key.task_attempt, [event_for(key, "finished", finished)]
    )


async def close_left_open(
    world: World, task_id: str, task_attempt: int, views: Sequence[StepView]
) -> None:
    """Attempts that an earlier process left running are interrupted ones."""
    for view in views:
        if view.outcome == "running":
            key = StepKey(task_id, task_attempt, view.step, view.iteration, view.attempt)
            await close_attempt(world, key, view, reason=PROCESS_ENDED)


async def earlier(
    world: World, task_id: str, task_attempt: int, step: str, iteration: int
) -> tuple[str | None, int]:
    """The `result` of the attempt that finished the step, and how many attempts there were.

    For steps of which an interrupted attempt leaves nothing: what is still open is closed.
    """
    found = task_id, task_attempt, step, iteration
    results = await world.records.attempt_results(*found)
    views = await world.records.attempts(*found)
    if not results:
        await close_left_open(world, task_id, task_attempt, views)
    return (results[max(results)] if results else None), len(views)


@asynccontextmanager
async def ending(world: World, key: StepKey, view: StepView) -> AsyncIterator[None]:
    """Ends the attempt's row where its work is cancelled or raises; the error goes on.

    Temporary trouble leaves it open: the step is entered again, and closes it then.
    """
    try:
        yield
    except asyncio.CancelledError:
        await asyncio.shield(_close(world, key, view, "interrupted", STOPPED))
        raise
    except TemporaryError:
        raise
    except (OrchestratorError, OSError) as error:
        await _close(world, key, view, "failed", str(error))
        raise


async def _close(world: World, key: StepKey, view: StepView, outcome: Ending, reason: str) -> None:
    """With what the row has learned since it was begun: what an agent spent is never lost."""
    rows = await world.records.attempts(key.task, key.task_attempt, key.step, key.iteration)
    now = next((row for row in rows if row.attempt == key.attempt), view)
    await close_attempt(world, key, now, outcome=outcome, reason=reason)
