"""What the durable function does beside asking the plan."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from ai_orchestrator.workflows.running.run import open_tree
from ai_orchestrator.workflows.running.world import TreePositions


async def test_steps_side_by_side_share_one_tree() -> None:
    """After a restart both find none: two would take each other's locks away."""
    opened: list[object] = []

    async def open_one(*_: object) -> object:
        await asyncio.sleep(0)
        opened.append(object())
        return opened[-1]

    world: Any = SimpleNamespace(
        open_trees={}, positions=TreePositions(), trees=SimpleNamespace(open=open_one)
    )
    facts: Any = SimpleNamespace(task_id="t", task_attempt=1, source=None, base="c0")
    one, other = await asyncio.gather(open_tree(world, facts), open_tree(world, facts))
    assert one is other
    assert len(opened) == 1
