"""Attempts that are cut short: their rows have an end, and know what was spent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.errors import EnvironmentProblemError, TemporaryError
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import StepStartedData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.task import StepView
from ai_orchestrator.workflows.running.interruption import ending

Make = Callable[..., Any]
SPENT = Usage(1_000, 200, 0, Decimal("1.25"))


async def cut(store: Any, event: Make, step: Make, error: BaseException) -> StepView:
    """The row of an attempt that spent something, and was then cut short by the error."""
    task_id = store.accept()
    view = step(usage=Usage(), session=None)
    key = StepKey(task_id, 1, view.step, view.iteration, view.attempt)
    world: Any = SimpleNamespace(records=store.records, clock=SystemClock())
    await store.records.start_attempt(
        view, task_id, 1, event(task_id, "s", StepStartedData("agent"))
    )

    async def work() -> None:
        async with ending(world, key, view):
            known = msgspec.structs.replace(view, usage=SPENT, session="s-1")
            await store.records.update_attempt(known, task_id, 1)
            raise error

    with pytest.raises(type(error)):
        await work()
    (row,) = await store.records.attempts(task_id, 1, view.step, view.iteration)
    assert isinstance(row, StepView)
    return row


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(asyncio.CancelledError(), "interrupted", id="cancelled"),
        pytest.param(EnvironmentProblemError("no room"), "failed", id="failed"),
        pytest.param(OSError("no room"), "failed", id="by-the-machine"),
    ],
)
async def test_what_an_agent_spent_outlives_what_cut_it_short(
    sqlite_store: Any, event: Make, step: Make, error: BaseException, outcome: str
) -> None:
    """It has been paid for, and its conversation can be taken up."""
    row = await cut(sqlite_store, event, step, error)
    assert (row.outcome, row.usage, row.session) == (outcome, SPENT, "s-1")


async def test_temporary_trouble_leaves_the_row_open(
    sqlite_store: Any, event: Make, step: Make
) -> None:
    """The step is entered again; what is still open can be listed."""
    row = await cut(sqlite_store, event, step, TemporaryError("busy", delay_s=1.0))
    assert row.outcome == "running"
