"""The ledger of reviewers that ran side by side, written once when all of them have been heard."""

from __future__ import annotations

from dataclasses import dataclass

from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.review import LedgerEntry
from ai_orchestrator.review.ledger import changed_entries
from ai_orchestrator.workflows.running.step_records import finding_events
from ai_orchestrator.workflows.running.world import TaskFacts, World


@dataclass(frozen=True, slots=True)
class GroupLedger:
    """The ledger before a group of steps and after it."""

    path: str
    iteration: int
    before: tuple[LedgerEntry, ...]
    after: tuple[LedgerEntry, ...]


async def save_group_ledger(world: World, facts: TaskFacts, ledger: GroupLedger) -> int:
    """How many entries changed; they and their events are stored. Idempotent."""
    changed = changed_entries(ledger.before, ledger.after)
    if changed:
        key = StepKey(facts.task_id, facts.task_attempt, ledger.path, ledger.iteration, 1)
        await world.records.save_ledger(
            facts.task_id, facts.task_attempt, changed, finding_events(key, changed)
        )
    return len(changed)
