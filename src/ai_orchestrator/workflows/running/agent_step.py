"""One agent step of one round, re-entrant: adopt what is finished, take up what was interrupted.

The order of writes is the contract: attempt row `running` -> agent -> answer on disk -> commit
under the attempt's ref -> row finished. A kill between any two of them loses nothing: whoever
re-enters finds the furthest of them and goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ai_orchestrator.base.beside import Ahead, Gate, always_open, surely
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    NewEvent,
    StepStartedData,
)
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AttemptPaths, StepCommit
from ai_orchestrator.model.task import StepView
from ai_orchestrator.review.ledger import changed_entries
from ai_orchestrator.workflows.running.agent_answer import Answer, judge, load_answer, save_answer
from ai_orchestrator.workflows.running.agent_order import AgentStepOrder, attempts_of
from ai_orchestrator.workflows.running.agent_run import AgentRun, Beginning, Begun, Feed, Supplies
from ai_orchestrator.workflows.running.another_try import tried_again, wait_for
from ai_orchestrator.workflows.running.attempt_log import event_for
from ai_orchestrator.workflows.running.interruption import (
    PROCESS_ENDED,
    STOPPED,
    close_attempt,
    ending,
)
from ai_orchestrator.workflows.running.progress import conversation_key, ledger_after, spent_by
from ai_orchestrator.workflows.running.retry import MAX_INTERRUPTIONS
from ai_orchestrator.workflows.running.setting_up import put_in_place
from ai_orchestrator.workflows.running.step_records import (
    commit_message,
    finding_events,
    finishing_events,
)
from ai_orchestrator.workflows.running.values import StepDone


async def run_agent_step(order: AgentStepOrder) -> StepDone:
    """The step's outcome; at most one attempt of it ever finishes."""
    # In a tree that nobody has disturbed no attempt has run, as a rule: the first row decides.
    views = () if _is_in_place(order) else await attempts_of(order)
    waited_after = 0
    while True:
        done = await _adopted(order, views)
        if done is None or done.attempt == waited_after:
            if _interruptions(views) > MAX_INTERRUPTIONS:
                return await _with_all_spend(order, _given_up(order, views))
            done = await _attempt(order, views)
        if done is not None:
            again = await tried_again(order, done)
            if again is None:
                return await _with_all_spend(order, done)
            await wait_for(order, again)
            waited_after = done.attempt
        views = await attempts_of(order)


def _interruptions(views: Sequence[StepView]) -> int:
    """Also counts one that is left running: whoever asks has found it so."""
    return sum(1 for view in views if view.outcome in ("interrupted", "running"))


async def _adopted(order: AgentStepOrder, views: Sequence[StepView]) -> StepDone | None:
    """The outcome of the last attempt if its agent had ended; closes it if it was interrupted."""
    if not views or views[-1].outcome == "interrupted":
        return None
    last = views[-1]
    if last.outcome in ("succeeded", "failed"):
        recorded = await _recorded(order, last.attempt)
        if recorded is not None:
            return recorded
    key = order.key(last.attempt)
    answer = await load_answer(_answer_file(order.paths(key)))
    if answer is not None:
        commit = await _settle_tree(order, key, last, answer)
        return await _finish(order, key, last, answer, commit)
    if last.outcome == "running":
        await _close_interrupted(order, key, last)
    return None


async def _recorded(order: AgentStepOrder, attempt: int) -> StepDone | None:
    facts = order.facts
    results = await order.world.records.attempt_results(
        facts.task_id, facts.task_attempt, order.step.path, order.iteration
    )
    raw = results.get(attempt)
    return None if raw is None else msgspec.json.decode(raw, type=StepDone)


async def _with_all_spend(order: AgentStepOrder, done: StepDone) -> StepDone:
    """What the attempts before this one cost belongs to the step, and to the task's budget."""
    if done.attempt == 1:
        return done
    return msgspec.structs.replace(done, usage=spent_by(await attempts_of(order)))


async def _close_cancelled(order: AgentStepOrder, key: StepKey, feed: Feed) -> None:
    """The agent has been stopped; what it spent by then stands in its row."""
    await feed.end()
    await _close_interrupted(order, key, (await attempts_of(order))[-1], STOPPED)


async def _close_interrupted(
    order: AgentStepOrder,
    key: StepKey,
    view: StepView,
    reason: str = PROCESS_ENDED,
) -> None:
    """Keeps the tree as it was left, and the spend, under the interrupted attempt."""
    await order.tree.commit(
        f"{key.ref}-interrupted", order.progress.head, commit_message(key, order.step, view)
    )
    await close_attempt(order.world, key, view, reason=reason)


async def _attempt(order: AgentStepOrder, views: Sequence[StepView]) -> StepDone | None:
    """One more attempt, from its row to its end; None where there are more of them than `views`.

    The prompt's parts are gathered and the agent's `.git` is made while the row is written: each
    waits for something else.
    """
    key = order.key(len(views) + 1)
    run = order.run(order.paths(key))
    async with Ahead(run.gather()) as supplies:
        beginning = await _beginning(order, views)
        view = _new_view(order, key, beginning)
        started = _started_event(key, view, beginning)
        async with Ahead(_lend_git(order)) as lent:
            is_new = await order.world.records.start_attempt(
                view, order.facts.task_id, order.facts.task_attempt, started
            )
            if not is_new:
                await lent.result()
                return None
            order.world.point("attempt.started", key.tree)
            async with ending(order.world, key, view):
                await lent.result()
                begun = Begun(key, view, beginning, spent_by(views))
                return await _carried_out(order, run, begun, supplies)


async def _carried_out(
    order: AgentStepOrder, run: AgentRun, begun: Begun, supplies: Ahead[Supplies]
) -> StepDone:
    """The attempt's outcome, with its row finished.

    The agent's last events are written while its tree is committed, and are in the log before
    the row says that it is finished.
    """
    key = begun.key
    if order.may_write:
        order.world.positions.disturb(order.facts.task_id)
    async with run.feed() as feed:
        answer, view = await _ask(order, run, begun, supplies, feed)
        order.world.point("agent.ended", key.tree)
        feed.end()
        async with surely(_save(order, key, run.paths, answer)) as saved:
            commit = await _settle_tree(order, key, view, answer, saved)
    return await _finish(order, key, view, answer, commit)


async def _save(order: AgentStepOrder, key: StepKey, paths: AttemptPaths, answer: Answer) -> None:
    await save_answer(_answer_file(paths), answer, order.world.records.redact)
    order.world.point("answer.saved", key.tree)


async def _ask(
    order: AgentStepOrder, run: AgentRun, begun: Begun, supplies: Ahead[Supplies], feed: Feed
) -> tuple[Answer, StepView]:
    """The agent's answer; a machine that cannot run it is an answer as well."""
    try:
        return await run.ask(begun, await supplies.result(), feed)
    except EnvironmentProblemError as problem:
        await feed.end()
        view = (await attempts_of(order))[-1]  # with what was spent by then
        return Answer.failed(problem, usage=view.usage), view
    except asyncio.CancelledError:
        await asyncio.shield(_close_cancelled(order, begun.key, feed))
        raise


async def _beginning(order: AgentStepOrder, views: Sequence[StepView]) -> Beginning:
    """Puts the tree where the attempt starts, and says with which conversation."""
    tree, progress = order.tree, order.progress
    last = views[-1] if views else None
    if last is not None and last.session is not None:
        left = await tree.find(f"{order.key(last.attempt).ref}-interrupted", progress.head)
        if left is not None and tree.is_ready and await tree.is_at(left.commit):
            return Beginning("resumed", last.session, "its tree is as it was left")
    await _put_in_place(order, order.key(len(views) + 1))
    session = progress.sessions.get(conversation_key(order.step))
    if last is not None:
        return Beginning("restarted", session, "from the last finished commit")
    return Beginning("continued" if session else "fresh", session, "")


def _is_in_place(order: AgentStepOrder) -> bool:
    """The tree is known to equal the head."""
    return order.world.positions.known.get(order.facts.task_id) == order.progress.head


async def _put_in_place(order: AgentStepOrder, key: StepKey) -> None:
    """The tree equals the head; reviewers side by side do it once."""
    positions, task_id, head = order.world.positions, order.facts.task_id, order.progress.head
    async with positions.lock(task_id):
        if not _is_in_place(order):
            await put_in_place(order.world, order.facts, order.tree, head, key.tree)
            positions.known[task_id] = head


async def _lend_git(order: AgentStepOrder) -> None:
    """The tree has a fresh `.git`; reviewers side by side do it once."""
    positions, task_id, head = order.world.positions, order.facts.task_id, order.progress.head
    async with positions.lock(task_id):
        if positions.lent.get(task_id) != head:
            await order.tree.lend_git(head)
            positions.lent[task_id] = head


def _new_view(order: AgentStepOrder, key: StepKey, beginning: Beginning) -> StepView:
    step = order.step
    return StepView(
        step=step.path,
        iteration=order.iteration,
        attempt=key.attempt,
        kind="agent",
        outcome="running",
        started_at=order.world.clock.now(),
        agent=step.agent,
        account=step.account,
        model=step.model or order.facts.spec.agents[step.agent].model,
        session=beginning.session if beginning.how == "resumed" else None,
        how=beginning.how,
    )


def _started_event(key: StepKey, view: StepView, beginning: Beginning) -> NewEvent:
    data = StepStartedData(
        kind="agent",
        agent=view.agent,
        model=view.model,
        account=view.account,
        how=beginning.how,
        note=beginning.note,
    )
    return event_for(key, "started", data)


async def _finish(
    order: AgentStepOrder, key: StepKey, view: StepView, answer: Answer, commit: StepCommit
) -> StepDone:
    """Judges the answer by what was committed, and finishes the row."""
    order.world.point("committed", key.tree)
    done = judge(order.facts.spec, order.step, order.progress, key, answer, commit)
    done = msgspec.structs.replace(done, at=order.world.clock.now().timestamp())
    done = order.world.records.clean(done)  # as the journal keeps it: fingerprints must be alike
    view = _finished_view(view, done, order)
    events = finishing_events(order.facts.spec, key, view, done, commit)
    await _save_ledger(order, key, done)
    await order.world.records.finish_attempt(
        view,
        order.facts.task_id,
        order.facts.task_attempt,
        events,
        result=msgspec.json.encode(done).decode(),
    )
    order.world.point("attempt.finished", key.tree)
    if done.outcome == "succeeded" and (order.is_alone or not order.may_write):
        order.world.positions.known[order.facts.task_id] = done.commit
    order.tree.discard_attempt(key.tree)
    return done


async def _save_ledger(order: AgentStepOrder, key: StepKey, done: StepDone) -> None:
    before = order.progress.ledger
    changed = changed_entries(before, ledger_after(before, order.step, done))
    if changed and order.is_alone:
        await order.world.records.save_ledger(
            order.facts.task_id, order.facts.task_attempt, changed, finding_events(key, changed)
        )


def _finished_view(view: StepView, done: StepDone, order: AgentStepOrder) -> StepView:
    return msgspec.structs.replace(
        view,
        outcome=done.outcome,
        finished_at=order.world.clock.now(),
        commit=done.commit,
        tree=done.tree,
        is_changed=done.is_changed,
        usage=done.usage,
        session=done.session,
        reason=done.reason,
    )


async def _settle_tree(
    order: AgentStepOrder,
    key: StepKey,
    view: StepView,
    answer: Answer,
    saved: Gate = always_open,
) -> StepCommit:
    """The commit that the step ends with.

    A failed run's work is kept aside: only another attempt of its conversation goes on from it.

    `saved` returns when the answer is on the disk: no ref is set before.
    """
    tree, head = order.tree, order.progress.head
    message = commit_message(key, order.step, view)
    if not answer.result.is_success:
        await tree.commit(f"{key.ref}-interrupted", head, message, saved)
        return StepCommit(head, order.progress.head_tree, is_changed=False)
    if order.step.permission == "read-only":
        is_untouched = await tree.is_at(head)
        await saved()
        await tree.point(key.ref, head)
        return StepCommit(head, order.progress.head_tree, is_changed=not is_untouched)
    return await tree.commit(key.ref, head, message, saved)


def _given_up(order: AgentStepOrder, views: Sequence[StepView]) -> StepDone:
    """Ends a step whose attempts keep taking their process down."""
    return StepDone(
        step=order.step.path,
        iteration=order.iteration,
        attempt=views[-1].attempt,
        outcome="failed",
        commit=order.progress.head,
        tree=order.progress.head_tree,
        error_kind="crash",
        reason=f"{_interruptions(views)} attempts were interrupted; giving up.",
        usage=Usage(),
        at=order.world.clock.now().timestamp(),
    )


def _answer_file(paths: AttemptPaths) -> Path:
    return paths.home.parent / "answer.json"
