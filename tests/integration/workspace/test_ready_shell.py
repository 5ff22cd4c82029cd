"""Chains of git calls by a shell that was started before: same results, and nothing left of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from tests.integration.workspace.repositories import REF, TASK, Opened, UserRepository, write

from ai_orchestrator.base.process import Completed, GuardedSpawner
from ai_orchestrator.workspace.ready_shell import SCRIPT, ReadyShell, Seat
from ai_orchestrator.workspace.trees import GitTrees

MESSAGE = "Subject with 'quotes' and $HOME\n\nAI-Orchestrator-Step: it's\n"


@pytest.fixture
def spawner() -> Iterator[GuardedSpawner]:
    """Owns the shells."""
    with GuardedSpawner(lease_s=60) as one:
        yield one


@pytest.fixture
def shell(spawner: GuardedSpawner) -> ReadyShell:
    """One whose trees are called chain-1, chain-2 and so on."""
    names = iter(f"chain-{number}" for number in range(1, 100))
    seat = Seat(("/bin/sh", "-c", SCRIPT, "zero", "one"), {"WHO": "me"})
    return ReadyShell(spawner, seat, lambda: next(names))


@pytest.fixture
async def opened(guarded_trees: GitTrees, repository: UserRepository) -> Opened:
    """A task whose trees are a runner's."""
    base = await guarded_trees.resolve(repository.source)
    tree = await guarded_trees.open(TASK, 1, repository.source, base)
    return Opened(repository, guarded_trees, tree, base)


async def run(shell: ReadyShell, order: str) -> Completed:
    """What a shell came to."""
    return await shell.run(order.encode(), timeout_s=30, limit_bytes=10_000)


def shells() -> list[psutil.Process]:
    """Those that are there, waiting or not."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found += [one] if SCRIPT in one.cmdline() else []
    return found


@pytest.mark.parametrize("is_ready", [True, False], ids=["ready", "started-late"])
async def test_a_script_has_the_seat_and_its_own_status(
    shell: ReadyShell, *, is_ready: bool
) -> None:
    """Whether or not somebody thought of it in time."""
    for number in range(3):
        if is_ready:
            await shell.get_ready()
        done = await run(shell, f'echo "$0 $@ $WHO"; pwd; cat; exit {number}\n')
        assert (done.stdout, done.exit.code) == (b"zero one me\n/\n", number)
    assert shells() == []


async def test_one_shell_waits_however_often_it_is_wanted(
    shell: ReadyShell, spawner: GuardedSpawner
) -> None:
    """At once, one after the other, and while others are at work."""
    await asyncio.gather(*(shell.get_ready() for _ in range(5)), *(run(shell, ":\n") for _ in "ab"))
    await shell.get_ready()
    await shell.get_ready()
    assert len(shells()) == len(spawner.trees()) == 1


async def test_a_shell_that_was_killed_is_replaced(
    shell: ReadyShell, spawner: GuardedSpawner
) -> None:
    """Whoever asks next does not notice."""
    await shell.get_ready()
    (waiting,) = shells()
    waiting.kill()
    psutil.wait_procs([waiting], timeout=30)
    assert (await run(shell, "echo here\n")).stdout == b"here\n"


async def test_a_lost_guardian_takes_the_waiting_shell_along(
    shell: ReadyShell, spawner: GuardedSpawner
) -> None:
    """Once that is known the next order goes to a new one, under a new guardian."""
    await shell.get_ready()
    (shown,) = shells()
    guardian = next(one for one in shown.parents() if one.ppid() == os.getpid())
    guardian.kill()
    guardian.wait(30)
    async with asyncio.timeout(30):
        while spawner.trees():
            await asyncio.sleep(0.01)
    assert (await run(shell, "echo here\n")).stdout == b"here\n"


async def test_steps_are_recorded_as_by_a_command_of_their_own(opened: Opened) -> None:
    """Commit, message, numbers; also of a step that changed nothing, and with strange values."""
    for number in range(3):
        write(opened.tree.work, {"a.txt": f"{number}\n", "it's \n\u20ac": "x\n"})
        ref = f"{REF}-{number}"
        made = await opened.tree.commit(ref, opened.base, MESSAGE)
        assert (made.is_changed, made.files, made.insertions, made.deletions) == (True, 2, 2, 1)
        assert opened.git("log", "-1", "--format=%B", ref) == MESSAGE.strip()
        assert opened.git("rev-parse", ref, f"{ref}^") == f"{made.commit}\n{opened.base}"
    await opened.tree.start_from(opened.base)
    same = await opened.tree.commit(f"{REF}-same", opened.base, MESSAGE)
    assert (same.commit, same.is_changed) == (opened.base, False)
    assert opened.git("rev-parse", f"{REF}-same") == opened.base


async def test_a_tree_that_got_ready_has_its_shell(opened: Opened) -> None:
    """Nothing is left of it once the step is recorded."""
    write(opened.tree.work, {"a.txt": "two\n"})
    await opened.tree.get_ready()
    assert len(shells()) == 1
    assert (await opened.tree.commit(REF, opened.base, MESSAGE)).files == 1
    assert shells() == []


async def test_no_ref_is_set_before_the_gate_is_open(opened: Opened) -> None:
    """Whatever is to be on the disk first: a step's answer."""
    write(opened.tree.work, {"a.txt": "two\n"})
    seen: list[bool] = []

    async def gate() -> None:
        seen.append((opened.tree.repository / REF).exists())

    await opened.tree.commit(REF, opened.base, MESSAGE, gate)
    assert seen == [False]
    assert (opened.tree.repository / REF).exists()


async def test_a_gate_that_fails_leaves_no_ref(opened: Opened) -> None:
    """And the tree can be recorded later."""
    write(opened.tree.work, {"a.txt": "two\n"})

    async def gate() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await opened.tree.commit(REF, opened.base, MESSAGE, gate)
    assert not (opened.tree.repository / REF).exists()
    assert (await opened.tree.commit(REF, opened.base, MESSAGE)).files == 1
