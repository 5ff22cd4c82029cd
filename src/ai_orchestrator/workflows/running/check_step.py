"""Verifies the head: the frozen verifiers on a clean checkout, with what judges put back as it was.

Re-entrant: a finished run is found again by its row; an interrupted one is run again whole, for
verifiers leave nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from ai_orchestrator.model.events import StepFinishedData, StepStartedData, VerifierFinishedData
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.review import Finding, Verifier, VerifierResult
from ai_orchestrator.model.task import StepView
from ai_orchestrator.review.ledger import changed_entries
from ai_orchestrator.review.lost_tests import FileTexts
from ai_orchestrator.review.protection import (
    Protection,
    effective_patterns,
    protect,
    texts_needed,
)
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.detection import find_verifiers
from ai_orchestrator.workflows.running.interruption import earlier, ending
from ai_orchestrator.workflows.running.judging import Judging, judge_commit
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.progress import Progress, ledger_after_check
from ai_orchestrator.workflows.running.step_records import finding_events
from ai_orchestrator.workflows.running.values import Checked, cleaned
from ai_orchestrator.workflows.running.world import TaskFacts, World, remaining_s


@dataclass(frozen=True, slots=True)
class CheckOrder:
    """A head to verify."""

    world: World
    facts: TaskFacts
    tree: TaskTree
    progress: Progress
    after: str
    iteration: int
    extra_env: dict[str, str] = field(default_factory=dict)

    @property
    def step(self) -> str:
        """Step path of the verification itself."""
        return f"{self.after}/verify"

    def key(self, attempt: int) -> StepKey:
        """The key of one of its attempts."""
        facts = self.facts
        return StepKey(facts.task_id, facts.task_attempt, self.step, self.iteration, attempt)


async def check_head(order: CheckOrder) -> Checked:
    """What the verifiers say of the head."""
    facts, records = order.facts, order.world.records
    finished, attempts = await earlier(
        order.world, facts.task_id, facts.task_attempt, order.step, order.iteration
    )
    if finished is not None:
        return msgspec.json.decode(finished, type=Checked)
    key = order.key(attempts + 1)
    view = StepView(
        step=order.step,
        iteration=order.iteration,
        attempt=key.attempt,
        kind="verify",
        outcome="running",
        started_at=order.world.clock.now(),
        commit=order.progress.head,
        tree=order.progress.head_tree,
    )
    started = event_for(key, "started", StepStartedData(kind="verify"))
    await records.start_attempt(view, facts.task_id, facts.task_attempt, started)
    async with ending(order.world, key, view):
        checked = cleaned(await _run(order, key), records.clean)
        await _record(order, key, view, checked)
    return checked


async def _run(order: CheckOrder, key: StepKey) -> Checked:
    progress = order.progress
    verifiers = progress.verifiers
    detected: tuple[Verifier, ...] = ()
    if not verifiers:
        verifiers = detected = await find_verifiers(
            order.world, order.facts, order.tree, progress.head
        )
    protection = await _protection(order, verifiers)
    judging = Judging(
        progress.head,
        verifiers,
        key,
        protection.base_paths,
        extra_env=order.extra_env,
        limit_s=remaining_s(order.facts, progress.started_at, order.world.clock),
    )
    results = await judge_commit(order.world, order.facts, order.tree, judging)
    return Checked(
        step=order.step,
        iteration=order.iteration,
        commit=progress.head,
        tree=progress.head_tree,
        results=results,
        findings=protection.findings,
        verifiers=tuple(detected),
        at=order.world.clock.now().timestamp(),
    )


async def _protection(order: CheckOrder, verifiers: Sequence[Verifier]) -> Protection:
    """What the change did to protected files and to tests."""
    tree, base, head = order.tree, order.facts.base, order.progress.head
    files = (await tree.diff(base, head)).files
    patterns = effective_patterns(order.facts.spec.protected, verifiers)
    needed = texts_needed(files, patterns)
    texts = {path: await _texts(tree, base, head, path) for path in needed}
    has_baseline = bool(order.progress.baseline)
    return await asyncio.to_thread(protect, files, texts, patterns, has_baseline=has_baseline)


async def _texts(tree: TaskTree, base: str, head: str, path: str) -> FileTexts:
    before, after = await asyncio.gather(tree.read_file(base, path), tree.read_file(head, path))
    return FileTexts(path, _text(before), _text(after))


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


async def _record(order: CheckOrder, key: StepKey, view: StepView, checked: Checked) -> None:
    facts, records = order.facts, order.world.records
    changed = changed_entries(
        order.progress.ledger, ledger_after_check(order.progress.ledger, checked)
    )
    if changed:
        await records.save_ledger(
            facts.task_id, facts.task_attempt, changed, finding_events(key, changed)
        )
    is_green = all(result.is_green for result in checked.results)
    now = order.world.clock.now()
    finished = StepFinishedData(
        outcome="succeeded" if is_green else "failed",
        reason=_reason(checked.results, checked.findings),
        commit=checked.commit,
        duration_s=(now - view.started_at).total_seconds(),
    )
    events = [
        *(
            event_for(key, f"verifier/{n}", VerifierFinishedData(result, checked.commit))
            for n, result in enumerate(checked.results)
        ),
        event_for(key, "finished", finished),
    ]
    ended = msgspec.structs.replace(
        view,
        outcome=finished.outcome,
        reason=finished.reason,
        finished_at=now,
        verifiers=checked.results,
    )
    await records.finish_attempt(
        ended,
        facts.task_id,
        facts.task_attempt,
        events,
        result=msgspec.json.encode(checked).decode(),
    )


def _reason(results: Sequence[VerifierResult], findings: Sequence[Finding]) -> str:
    red = [result.name for result in results if not result.is_green]
    parts = []
    if red:
        parts.append(f"failing: {', '.join(red)}")
    if findings:
        word = "finding" if len(findings) == 1 else "findings"
        parts.append(f"{len(findings)} {word} about protected files and tests")
    return "; ".join(parts)
