"""What may be removed, and what may not."""

from __future__ import annotations

import pytest

from ai_orchestrator.workspace.garbage import (
    MIRROR_REST_S,
    Knowledge,
    MirrorFound,
    Survey,
    TaskFound,
    plan,
    report,
)
from ai_orchestrator.workspace.setup_entries import SETUP_REST_S, SetupEntry, StoredSetup

TASK = TaskFound("t-1", total_bytes=100, trees_bytes=60)


def know(*, final: bool = True, changes: bool = True, applied: bool = False) -> Knowledge:
    """What the database says."""
    return Knowledge(is_final=final, has_changes=changes, is_applied=applied)


def mirror(*users: str, rest_s: float = MIRROR_REST_S + 1) -> MirrorFound:
    """A mirror that rested long enough."""
    return MirrorFound("m.git", 1000, rest_s, frozenset(users))


@pytest.mark.parametrize(
    ("knowledge", "force", "goes"),
    [
        (know(applied=True), False, True),
        (know(changes=False), False, True),
        (know(), False, False),
        (know(), True, True),
        (know(final=False), False, False),
        (know(final=False), True, False),
        (know(final=False, applied=True), True, False),
        (None, False, False),
        (None, True, True),
    ],
    ids=[
        "applied",
        "without changes",
        "not applied",
        "not applied, forced",
        "running",
        "running, forced",
        "running again after apply, forced",
        "unknown",
        "unknown, forced",
    ],
)
def test_a_task_goes_only_when_nothing_of_it_is_wanted(
    knowledge: Knowledge | None, *, force: bool, goes: bool
) -> None:
    """Running tasks never, work that was not applied only by force."""
    known = {} if knowledge is None else {"t-1": knowledge}
    made = plan(Survey((TASK,), ()), known, force=force)
    assert (made.tasks == (TASK,)) is goes
    assert ("t-1" in made.kept) is not goes


@pytest.mark.parametrize(
    ("knowledge", "goes"),
    [(know(), True), (know(final=False), False), (None, False)],
    ids=["finished", "running", "unknown"],
)
def test_checkouts_go_with_the_end_of_a_task(knowledge: Knowledge | None, *, goes: bool) -> None:
    """All of a finished task's work is in its commits."""
    known = {} if knowledge is None else {"t-1": knowledge}
    assert (plan(Survey((TASK,), ()), known, force=False).trees == (TASK,)) is goes


@pytest.mark.parametrize(
    ("found", "known", "force", "goes"),
    [
        (mirror(), {}, False, True),
        (mirror(rest_s=10.0), {}, False, False),
        (mirror(rest_s=100.0), {}, True, True),
        (mirror(rest_s=10.0), {}, True, False),
        (mirror("t-1"), {"t-1": know()}, False, False),
        (mirror("t-1"), {"t-1": know(applied=True)}, False, True),
        (mirror("t-1"), {"t-1": know(final=False)}, True, False),
    ],
    ids=[
        "resting",
        "fresh",
        "rested a little, forced",
        "fresh, forced",
        "lent",
        "lent to a goner",
        "lent, forced",
    ],
)
def test_a_mirror_goes_when_nobody_borrows_and_it_rested(
    found: MirrorFound, known: dict[str, Knowledge], *, force: bool, goes: bool
) -> None:
    """A task without its mirror would be lost."""
    tasks = (TASK,) if "t-1" in known else ()
    assert (plan(Survey(tasks, (found,)), known, force=force).mirrors == (found,)) is goes


def test_the_report_names_what_goes_and_why_the_rest_stays() -> None:
    """Freed is what goes, nothing else."""
    other = TaskFound("t-2", 7, 0)
    made = plan(Survey((TASK, other), (mirror(),)), {"t-2": know(applied=True)}, force=False)
    said = report(made, is_dry_run=True)
    assert said.removed == ("t-2", "mirror m.git")
    assert said.kept == ("t-1 is not in the database; its work may be wanted.",)
    assert (said.freed_bytes, said.is_dry_run) == (1007, True)


def setup(name: str, used_s: float) -> StoredSetup:
    """A set-up of 100 bytes."""
    entry = SetupEntry(name, "0123456789abcdef", (("npm", "ci"), ("sh", "-c", "a b")), 1, 90, 100)
    return StoredSetup(entry, used_s)


@pytest.mark.parametrize(
    ("limit", "force", "gone"),
    [(1000, False, ["old"]), (150, False, ["old", "young"]), (1000, True, ["old", "young", "new"])],
    ids=["rested", "beyond the limit", "forced"],
)
def test_set_ups_go_when_they_rested_or_are_too_much(
    limit: int, *, force: bool, gone: list[str]
) -> None:
    """They can be made again, so no task holds them."""
    setups = (setup("new", SETUP_REST_S + 2), setup("old", 0.0), setup("young", 5.0))
    found = Survey((), (), setups=setups, now_s=SETUP_REST_S + 3)
    made = plan(found, {}, force=force, setup_limit_bytes=limit)
    assert sorted(one.entry.key for one in made.setups) == sorted(gone)
    assert made.freed_bytes == 100 * len(gone)
    assert "setup npm ci; sh -c 'a b' at 0123456" in report(made, is_dry_run=True).removed
