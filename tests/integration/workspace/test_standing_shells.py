"""Chains of git calls by shells that stay: same results, and nothing left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.integration.workspace.repositories import REF, TASK, Opened, UserRepository, write

from ai_orchestrator.base.process import Completed, GuardedSpawner
from ai_orchestrator.workspace.standing_shells import (
    IDLE_SHELLS,
    SCRIPT,
    Seat,
    StandingShells,
)
from ai_orchestrator.workspace.trees import GitTrees

MESSAGE = "Subject with 'quotes' and $HOME\n\nAI-Orchestrator-Step: it's\n"


@pytest.fixture
def spawner() -> Iterator[GuardedSpawner]:
    """Owns the shells."""
    with GuardedSpawner(lease_s=60) as one:
        yield one


@pytest.fixture(params=["dash", "bash"])
def shells(spawner: GuardedSpawner, request: pytest.FixtureRequest) -> StandingShells:
    """What is /bin/sh here, or elsewhere. Their trees are called chain-1, chain-2 and so on."""
    names = iter(f"chain-{number}" for number in range(1, 100))
    program = shutil.which(request.param, path="/bin:/usr/bin")
    assert program, f"{request.param} is not installed"
    options = ("--posix",) if request.param == "bash" else ()
    seat = Seat((program, *options, SCRIPT, "one", "two"), {"WHO": "me"})
    return StandingShells(spawner, seat, lambda: next(names))


@pytest.fixture
async def opened(guarded_trees: GitTrees, repository: UserRepository) -> Opened:
    """A task whose trees are a runner's."""
    base = await guarded_trees.resolve(repository.source)
    tree = await guarded_trees.open(TASK, 1, repository.source, base)
    return Opened(repository, guarded_trees, tree, base)


async def run(
    shells: StandingShells, order: str, *, timeout_s: float = 30, limit_bytes: int = 10_000
) -> Completed:
    """What an order came to."""
    done = await shells.run(order.encode(), timeout_s=timeout_s, limit_bytes=limit_bytes)
    assert done is not None
    return done


def standing() -> list[psutil.Process]:
    """The shells that are there, at work or not; subshells look alike and are left out."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            is_subshell = SCRIPT in (one.parent() or one).cmdline()
            found += [one] if SCRIPT in one.cmdline() and not is_subshell else []
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_orders_have_the_seat(shells: StandingShells) -> None:
    """One after the other, by one shell."""
    pids = set()
    for _ in range(3):
        done = await run(shells, 'echo "$@ $WHO"; pwd; cat </dev/null; echo $$; echo said >&2\n')
        *lines, pid = done.stdout.decode().splitlines()
        assert (lines, done.stderr) == (["one two me", "/"], b"said\n")
        assert done.exit.is_success
        pids.add(pid)
    assert len(pids) == 1


async def test_an_order_that_fails_takes_its_shell_along(
    shells: StandingShells, spawner: GuardedSpawner
) -> None:
    """With what it has left in the background, which would be heard by the next one."""
    for text in ("x\\n", "x\\000", "1"):
        noise = f"while :; do printf '{text}'; done & exit 7\n"
        done = await run(shells, noise)
        assert not done.exit.is_success
        assert spawner.trees() == ()
        assert (await run(shells, "echo here\n")).stdout == b"here\n"
    done = await run(shells, "echo said; echo why >&2; exit 7\n")
    assert (done.exit.code, done.stdout, done.stderr) == (7, b"said\n", b"why\n")


async def test_an_order_leaves_nothing_to_the_next(shells: StandingShells) -> None:
    """Neither its directory nor its variables, nor the way by which orders come."""
    await run(shells, "cd /tmp; WHO=you; export MORE=1; exec 3<&-; trap 'echo late' EXIT\n")
    done = await run(shells, 'pwd; echo "$WHO $MORE"\n')
    assert done.stdout == b"/\nme \n"


async def test_orders_at_the_same_time_have_a_shell_each(
    shells: StandingShells, spawner: GuardedSpawner
) -> None:
    """Few stay when they are done."""
    results = await asyncio.gather(*(run(shells, f"echo {n}\n") for n in range(6)))
    assert [done.stdout for done in results] == [f"{n}\n".encode() for n in range(6)]
    await until(lambda: len(standing()) == len(spawner.trees()) == IDLE_SHELLS)


async def test_the_beginning_of_a_long_output_is_kept(shells: StandingShells) -> None:
    """Neither its length nor what it looks like hides its end."""
    noise = "i=0; while [ $i -lt 3000 ]; do printf '%060d' $i; i=$((i+1)); done"
    done = await run(shells, f"{noise}; {noise} >&2; printf 'no line end'\n", limit_bytes=1000)
    assert done.is_truncated
    assert (len(done.stdout), len(done.stderr)) == (1000, 1000)
    assert done.stdout.startswith(b"0" * 119 + b"1")
    whole = await run(shells, "printf 'no line end'; printf x >&2\n")
    assert (whole.stdout, whole.stderr, whole.is_truncated) == (b"no line end", b"x", False)


async def test_an_order_that_overstays_is_ended_with_its_shell(
    shells: StandingShells, spawner: GuardedSpawner
) -> None:
    """What it had said by then is kept; the next one is not touched by it."""
    late = await run(shells, "echo before; sleep 600 & sleep 600\n", timeout_s=0.3)
    assert (late.is_timed_out, late.stdout, late.exit.is_success) == (True, b"before\n", False)
    assert spawner.trees() == ()
    assert (await run(shells, "echo here\n")).stdout == b"here\n"


async def test_an_order_whose_asker_is_cancelled_is_ended(
    shells: StandingShells, spawner: GuardedSpawner, tmp_path: Path
) -> None:
    """Before the cancellation goes on."""
    asked = asyncio.create_task(run(shells, f": > {tmp_path}/began; sleep 600\n"))
    await until((tmp_path / "began").exists)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert spawner.trees() == ()


async def test_a_late_order_is_waited_for_though_its_asker_is_cancelled(
    shells: StandingShells, spawner: GuardedSpawner, tmp_path: Path
) -> None:
    """Nobody may work in its tree while it is being stopped."""
    stubborn = f"trap ': > {tmp_path}/told' TERM; while :; do /bin/sleep 0.05; done\n"
    asked = asyncio.create_task(run(shells, stubborn, timeout_s=0.2))
    await until((tmp_path / "told").exists)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert spawner.trees() == ()


async def test_an_order_that_no_pipe_takes_at_once_is_given_back(spawner: GuardedSpawner) -> None:
    """Nothing of it is carried out, and nobody waits for its shell."""
    seat = Seat(("/bin/sh", SCRIPT), {})
    shells = StandingShells(spawner, seat, lambda: "chain-1")
    order = b"echo $((1 + 1))\n" + b": 0123456789\n" * 10_000
    assert await shells.run(order, timeout_s=30, limit_bytes=100) is None
    await until(lambda: not spawner.trees())


async def test_a_shell_that_is_killed_at_work_is_told(shells: StandingShells) -> None:
    """As of any command that a signal ends."""
    done = await run(shells, "echo before; kill -9 $$; sleep 600\n")
    assert (done.exit.signal, done.stdout) == (9, b"before\n")
    assert (await run(shells, "echo here\n")).stdout == b"here\n"


async def test_an_idle_shell_that_was_killed_is_replaced(shells: StandingShells) -> None:
    """Whoever asks next does not notice."""
    await run(shells, ":\n")
    (idle,) = standing()
    idle.kill()
    psutil.wait_procs([idle], timeout=30)
    assert (await run(shells, "echo here\n")).stdout == b"here\n"


async def test_a_lost_guardian_takes_idle_shells_along(
    shells: StandingShells, spawner: GuardedSpawner
) -> None:
    """Once that is known the next order goes to a new one, under a new guardian."""
    await run(shells, ":\n")
    (idle,) = standing()
    guardian = next(one for one in idle.parents() if one.ppid() == os.getpid())
    guardian.kill()
    guardian.wait(30)
    await until(lambda: not spawner.trees())
    assert (await run(shells, "echo here\n")).stdout == b"here\n"


def test_a_shell_serves_one_event_loop_after_another(shells: StandingShells) -> None:
    """A server's requests and its workflows have one each, and loops end."""
    pids = {asyncio.run(run(shells, "echo $$\n")).stdout for _ in range(3)}
    assert len(pids) == 1


def test_two_event_loops_share_the_shells(shells: StandingShells) -> None:
    """At the same time, each in a thread of its own."""

    async def ask(name: str) -> set[str]:
        orders = [run(shells, f"echo {name}-{n}\n") for n in range(10)]
        return {(await order).stdout.decode() for order in orders}

    def in_a_loop(name: str) -> set[str]:
        return asyncio.run(ask(name))

    with ThreadPoolExecutor(2) as pool:
        for name, said in zip("ab", pool.map(in_a_loop, "ab"), strict=True):
            assert said == {f"{name}-{n}\n" for n in range(10)}


async def test_a_shell_that_nobody_can_ask_any_more_ends(spawner: GuardedSpawner) -> None:
    """Its orders' pipe is closed with its owner."""
    seat = Seat(("/bin/sh", SCRIPT), {})
    await run(StandingShells(spawner, seat, lambda: "chain-1"), ":\n")
    gc.collect()
    await until(lambda: not spawner.trees())


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
