"""Removing what is no longer needed, on a real data directory."""

from __future__ import annotations

import time

import pytest
from tests.integration.workspace.repositories import OTHER_TASK, REF, TASK, Opened, names, write

from ai_orchestrator.workspace.garbage import Knowledge, Plan, execute, plan, report, survey
from ai_orchestrator.workspace.locking import file_lock

DONE = Knowledge(is_final=True, has_changes=True, is_applied=True)
UNAPPLIED = Knowledge(is_final=True, has_changes=True, is_applied=False)
RUNNING = Knowledge(is_final=False, has_changes=True, is_applied=False)


async def worked(opened: Opened) -> None:
    """A task with a commit, a conversation and a verifiers' tree."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    await opened.tree.clean_checkout(made.commit)
    paths = opened.tree.attempt_paths("k", role="r", agent="a", account=None)
    write(paths.conversation, {"session": "x" * 10_000})


async def test_an_applied_task_is_removed_with_all_it_had(opened: Opened) -> None:
    """Its mirror rests a while, since the next task may come soon."""
    await worked(opened)
    layout = opened.trees.layout
    made = plan(survey(layout, time.time()), {TASK: DONE}, force=False)
    done = execute(made, layout, opened.trees.trash)
    assert done.removed == (TASK,)
    assert done.freed_bytes > 10_000
    assert (names(layout.tasks), names(layout.conversations), names(layout.trash)) == ([], [], [])
    assert len(names(layout.mirrors)) == 2


async def test_work_that_was_not_applied_stays_but_its_checkouts_go(opened: Opened) -> None:
    """The commits are the work."""
    await worked(opened)
    layout = opened.trees.layout
    made = plan(survey(layout, time.time()), {TASK: UNAPPLIED}, force=False)
    done = execute(made, layout, opened.trees.trash)
    assert done.kept == (f"{TASK} has changes that were not applied.",)
    assert done.removed == (f"{TASK} (checkouts)",)
    assert not opened.tree.work.exists()
    tree = await opened.again()
    assert (await tree.find(REF, opened.base)) is not None
    assert (tree.work / "a.txt").exists()


async def test_work_of_an_attempt_that_is_not_the_last_one_stays(opened: Opened) -> None:
    """The row knows nothing of it any more; its refs do."""
    await worked(opened)
    layout = opened.trees.layout
    retried = Knowledge(is_final=True, has_changes=False, is_applied=False, task_attempt=2)
    found = survey(layout, time.time())
    made = plan(found, {TASK: retried}, force=False)
    assert made.kept == {TASK: "has work of attempt 1 that was not applied."}
    assert plan(found, {TASK: retried}, force=True).kept == {}


async def test_committed_steps_of_an_attempt_that_was_broken_off_stay(opened: Opened) -> None:
    """What was in mid-step is no work yet."""
    write(opened.tree.work, {"a.txt": "half\n"})
    await opened.tree.commit(f"{REF}-interrupted", opened.base, "m")
    layout = opened.trees.layout
    broken_off = Knowledge(is_final=True, has_changes=False, is_applied=False)
    assert plan(survey(layout, time.time()), {TASK: broken_off}, force=False).kept == {}
    await worked(opened)
    assert TASK in plan(survey(layout, time.time()), {TASK: broken_off}, force=False).kept


async def test_a_dry_run_says_the_same_and_does_nothing(opened: Opened) -> None:
    """What would be removed, in the same words."""
    await worked(opened)
    made = plan(survey(opened.trees.layout, time.time()), {TASK: DONE}, force=False)
    said = report(made, is_dry_run=True)
    assert opened.tree.work.exists()
    done = execute(made, opened.trees.layout, opened.trees.trash)
    assert (said.removed, said.kept, said.freed_bytes) == (
        done.removed,
        done.kept,
        done.freed_bytes,
    )


async def test_a_mirror_goes_when_nobody_has_needed_it_for_long(opened: Opened) -> None:
    """With its pool; one that a task borrows from stays."""
    other = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    await opened.trees.release(opened.tree)
    layout = opened.trees.layout
    later = time.time() + 365 * 86400
    kept = plan(survey(layout, later), {TASK: DONE, OTHER_TASK: RUNNING}, force=False)
    assert kept.mirrors == ()
    assert other.repository.exists()
    gone = plan(survey(layout, later), {TASK: DONE, OTHER_TASK: DONE}, force=False)
    execute(gone, layout, opened.trees.trash)
    assert [name for name in names(layout.mirrors) if not name.endswith(".lock")] == []


async def test_half_made_things_beside_the_mirrors_go_after_a_day(opened: Opened) -> None:
    """Younger ones may be somebody's work."""
    layout = opened.trees.layout
    write(layout.mirrors, {"0.half/HEAD": "x", "0.index-1234": "x"})
    before = names(layout.mirrors)
    for days, left in ((0, before), (2, [name for name in before if not name.startswith("0.")])):
        found = survey(layout, time.time() + days * 86400)
        execute(plan(found, {TASK: RUNNING}, force=True), layout, opened.trees.trash)
        assert names(layout.mirrors) == left


async def test_what_a_killed_process_was_removing_is_removed(opened: Opened) -> None:
    """The trash is emptied with every collection."""
    layout = opened.trees.layout
    write(layout.trash, {"0123/deep/er/file": "x", "4567": "x"})
    execute(plan(survey(layout, 0.0), {TASK: RUNNING}, force=True), layout, opened.trees.trash)
    assert names(layout.trash) == []
    assert opened.tree.work.exists()


def forced(opened: Opened, *needed: str) -> Plan:
    """What `gc --force` would do in an hour, with nothing left of the task."""
    later = time.time() + 3600
    found = survey(opened.trees.layout, later)
    return plan(found, {TASK: DONE}, force=True, needed_mirrors=needed)


def mirror_name(opened: Opened) -> str:
    """The name of the repository's mirror."""
    return opened.trees.layout.mirror(opened.repository.source).name


async def test_the_mirror_of_a_task_that_has_not_begun_stays(opened: Opened) -> None:
    """Nothing on the disk tells of it, so its row has to."""
    assert [one.name for one in forced(opened).mirrors] == [mirror_name(opened)]
    made = forced(opened, mirror_name(opened))
    execute(made, opened.trees.layout, opened.trees.trash)
    tree = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    assert await tree.is_at(opened.base)


async def test_a_mirror_that_is_looked_at_meanwhile_stays(opened: Opened) -> None:
    """Between the survey and the removal a task may have been accepted."""
    made = forced(opened)
    assert await opened.trees.resolve(opened.repository.source) == opened.base
    done = execute(made, opened.trees.layout, opened.trees.trash)
    assert done.removed == (TASK,)
    tree = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    assert await tree.is_at(opened.base)


async def test_a_mirror_that_is_fetched_into_stays(opened: Opened) -> None:
    """Whoever fetches holds its lock; nobody waits for the end of that."""
    made = forced(opened)
    mirror = opened.trees.layout.mirrors / mirror_name(opened)
    async with file_lock(mirror.with_suffix(".lock"), timeout_s=5.0):
        execute(made, opened.trees.layout, opened.trees.trash)
    assert mirror.exists()
    done = execute(made, opened.trees.layout, opened.trees.trash)
    assert done.removed == (TASK, f"mirror {mirror.name}")
    assert names(opened.trees.layout.mirrors) == [f"{mirror.stem}.lock"]


@pytest.mark.parametrize("moves", ["a commit", "nothing"])
async def test_resolving_a_start_touches_its_mirror(opened: Opened, moves: str) -> None:
    """So it is not taken for one that nobody needs."""
    mirror = opened.trees.layout.mirrors / mirror_name(opened)
    before = mirror.stat().st_mtime_ns
    if moves == "a commit":
        opened.repository.commit({"a.txt": "two\n"})
    await opened.trees.resolve(opened.repository.source)
    assert mirror.stat().st_mtime_ns > before
