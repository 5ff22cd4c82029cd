"""What only a guardian can do, with and without a cgroup."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ai_orchestrator.base import cgroup
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.process import (
    Command,
    Exit,
    GuardedSpawner,
    GuardianLostError,
    SpawnError,
    run,
)

SLEEP = f"600.{uuid.uuid4().int}"
"""A number of seconds that no other process on the machine sleeps."""

Shell = Callable[..., Command]
ProcessesWith = Callable[[str], dict[int, str]]


def descriptors(pid: int | str) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_new_sessions_and_double_forks_are_leftovers_too(
    guarded: GuardedSpawner, shell: Shell, processes_with: ProcessesWith
) -> None:
    """Nothing gets out of the tree, and each that tried is counted."""
    text = f"setsid sleep {SLEEP}011 & (setsid sh -c 'exec env -i /bin/sleep {SLEEP}011' &)"
    done = await run(guarded, shell(text), timeout_s=60, limit_bytes=100)
    assert done.exit == Exit(code=0, signal=None, leftovers=2)
    assert not processes_with(f"{SLEEP}011")


async def test_grace_is_for_the_whole_tree(guarded: GuardedSpawner, shell: Shell) -> None:
    """A child that tidies up longer than its parent gets the time for it."""
    child = "trap 'sleep 0.3; echo tidied; exit' TERM; echo up; while :; do sleep 0.05; done"
    process = await guarded.start(shell(f'setsid sh -c "{child}" & exec sleep 600'))
    chunks = process.stdout()
    assert await anext(chunks) == b"up\n"
    assert await process.stop(30) == Exit(None, signal.SIGTERM)
    assert await anext(chunks) == b"tidied\n"


async def test_later_stop_can_shorten_the_grace(guarded: GuardedSpawner, shell: Shell) -> None:
    """An impatient second caller does not wait for the first one's patience."""
    process = await guarded.start(shell("trap '' TERM; echo up; while :; do sleep 0.05; done"))
    assert await anext(process.stdout()) == b"up\n"
    patient = asyncio.create_task(process.stop(600))
    await asyncio.sleep(0)
    assert (await process.stop(0.1)).signal == signal.SIGKILL
    assert (await patient).signal == signal.SIGKILL


async def test_fork_bomb_is_ended(
    guarded: GuardedSpawner, shell: Shell, processes_with: ProcessesWith
) -> None:
    """A tree that keeps forking is ended all the same."""
    text = f"while :; do setsid sleep {SLEEP}012 & sleep 0.01; done"
    done = await run(guarded, shell(text), timeout_s=0.5, limit_bytes=100)
    assert done.is_timed_out
    assert not processes_with(f"{SLEEP}012")


async def test_descriptors_get_other_numbers(guarded: GuardedSpawner, shell: Shell) -> None:
    """Numbers that cross each other arrive as asked."""
    pipes = [os.pipe() for _ in range(2)]
    (a, into_a), (b, into_b) = pipes
    try:
        command = replace(shell("echo a >&3; echo b >&4"), pass_fds={3: into_a, 4: into_b})
        await run(guarded, command, timeout_s=60, limit_bytes=100)
        assert (os.read(a, 10), os.read(b, 10)) == (b"a\n", b"b\n")
    finally:
        for fd in (a, b, into_a, into_b):
            os.close(fd)


async def test_closed_descriptor_is_an_error(guarded: GuardedSpawner, shell: Shell) -> None:
    """Passing what is not open is told before anything starts."""
    with pytest.raises(SpawnError, match="Bad file descriptor"):
        await guarded.start(replace(shell("exit 0"), pass_fds={3: 999_999}))
    assert guarded.trees() == ()


async def test_names_of_living_trees_are_unique(guarded: GuardedSpawner, shell: Shell) -> None:
    """A name is taken from start to end, and free again when `wait` returns."""
    process = await guarded.start(shell("exec sleep 600", tree="one"))
    assert guarded.trees() == ("one",)
    with pytest.raises(Exception, match="alive already"):
        await guarded.start(shell("exit 0", tree="one"))
    await process.stop(5)
    assert guarded.trees() == ()
    assert (await (await guarded.start(shell("exit 0", tree="one"))).wait()).is_success


async def test_500_spawns_leak_nothing(guarded: GuardedSpawner, shell: Shell) -> None:
    """Neither descriptors nor zombies nor cgroups pile up, here or in the guardian."""

    async def some(n: int) -> None:
        for i in range(n):
            command = replace(shell("", tree=f"t-{i}"), argv=("/bin/true",))
            await run(guarded, command, timeout_s=60, limit_bytes=100)

    await some(5)
    guardian = guarded_pid(guarded)
    gc.collect()  # what an earlier test has left in circles would be closed meanwhile
    before = descriptors("self"), descriptors(guardian), cgroups(guarded)
    await some(300)
    await asyncio.gather(
        *(
            run(guarded, shell("exit 0", tree=f"g-{i}"), timeout_s=60, limit_bytes=9)
            for i in range(200)
        )
    )
    gc.collect()
    assert (descriptors("self"), descriptors(guardian), cgroups(guarded)) == before


def guarded_pid(spawner: GuardedSpawner) -> int:
    """Process id of the spawner's guardian."""
    assert spawner._link is not None
    return spawner._link._process.pid


def cgroups(spawner: GuardedSpawner) -> int:
    """How many cgroups a guardian has."""
    assert spawner._link is not None
    home = spawner._link._home
    return len(list(Path(home).rglob("tree-*"))) if home else 0


async def test_lost_keeper_and_guardian_cost_only_an_error(
    guarded: GuardedSpawner,
    shell: Shell,
    processes_with: ProcessesWith,
    wait_for: Callable[..., None],
) -> None:
    """With nobody else left this process ends the tree, then starts a new guardian."""
    process = await guarded.start(shell(f"setsid sleep {SLEEP}013 & exec sleep {SLEEP}013"))
    wait_for(lambda: len(processes_with(f"{SLEEP}013")) == 2, "both run")
    guardian = guarded_pid(guarded)
    keeper = parent_of(process.pid)
    os.kill(guardian, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    with pytest.raises(GuardianLostError):
        await process.wait()
    assert not processes_with(f"{SLEEP}013")
    os.kill(guardian, signal.SIGKILL)
    done = await run(guarded, shell("echo again"), timeout_s=60, limit_bytes=100)
    assert done.stdout == b"again\n"


def parent_of(pid: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_close_ends_all_trees(
    guarded: GuardedSpawner, shell: Shell, processes_with: ProcessesWith
) -> None:
    """Those who wait are told how, and the spawner takes nothing more."""
    text = f"setsid sleep {SLEEP}014 & exec sleep {SLEEP}014"
    trees = [await guarded.start(shell(text, tree=f"t-{i}")) for i in range(3)]
    waiting = [asyncio.create_task(tree.wait()) for tree in trees]
    await asyncio.to_thread(guarded.close)
    assert {how.signal for how in await asyncio.gather(*waiting)} == {signal.SIGKILL}
    assert not processes_with(f"{SLEEP}014")
    assert guarded.trees() == ()
    guarded.close()
    with pytest.raises(Exception, match="closed"):
        await guarded.start(shell("exit 0"))


def test_two_loops_in_two_threads_share_a_spawner(guarded: GuardedSpawner, shell: Shell) -> None:
    """Each loop gets its own results, and one may wait for what the other started."""
    results: dict[str, list[bytes]] = {}

    async def many(name: str) -> None:
        async def one(i: int) -> bytes:
            command = shell(f"echo {name}-{i}", tree=f"{name}-{i}")
            return (await run(guarded, command, timeout_s=60, limit_bytes=100)).stdout

        results[name] = await asyncio.gather(*(one(i) for i in range(20)))

    threads = [threading.Thread(target=asyncio.run, args=(many(name),)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [f"{n}-{i}\n".encode() for i in range(20)] for n in ("a", "b")}


def test_process_can_be_awaited_in_another_loop(guarded: GuardedSpawner, shell: Shell) -> None:
    """The loop that started a command may be gone by the time somebody waits for it."""
    process = asyncio.run(guarded.start(shell("sleep 0.2; exit 6")))
    assert asyncio.run(process.wait()).code == 6


async def test_busy_loop_does_not_cost_the_lease(shell: Shell) -> None:
    """Beats come from a thread: a loop that computes for longer than the lease loses nothing."""
    spawner = GuardedSpawner(lease_s=1.5)
    try:
        process = await spawner.start(shell("exec sleep 600"))
        threading.Event().wait(2.5)  # keeps the loop on purpose
        assert await process.stop(5) == Exit(None, signal.SIGTERM)
    finally:
        spawner.close()


async def test_stopped_guardian_does_not_stop_ending_trees(
    guarded: GuardedSpawner, shell: Shell
) -> None:
    """Keepers act by themselves: `stop` needs no guardian."""
    process = await guarded.start(shell("exec sleep 600"))
    os.kill(guarded_pid(guarded), signal.SIGSTOP)
    try:
        assert await process.stop(5) == Exit(None, signal.SIGTERM)
    finally:
        os.kill(guarded_pid(guarded), signal.SIGCONT)


async def test_cgroups_of_a_killed_guardian_are_swept(
    tmp_path: Path, shell: Shell, processes_with: ProcessesWith, wait_for: Callable[..., None]
) -> None:
    """What a guardian and its owner left when both were killed ends with the next start."""
    found = cgroup.find()
    if found.path is None:
        pytest.skip(found.reason)
    home = f"{found.path}/{cgroup.HOME_PREFIX}test-{os.getpid()}"
    os.close(cgroup.make_home(home))  # nobody holds its lock any more
    Path(home, "tree-old").mkdir()
    stray = await asyncio.create_subprocess_exec("/bin/sleep", f"{SLEEP}015")
    Path(home, "tree-old", "cgroup.procs").write_text(str(stray.pid))
    spawner = GuardedSpawner(containment="cgroup")
    await run(spawner, shell("exit 0"), timeout_s=60, limit_bytes=100)
    assert await stray.wait() == -signal.SIGKILL
    assert not Path(home).exists()
    spawner.close()


async def test_living_guardians_cgroups_are_not_swept(shell: Shell) -> None:
    """A second owner on the machine does not end the trees of the first."""
    first, second = GuardedSpawner(), GuardedSpawner()
    try:
        process = await first.start(shell("exec sleep 600"))
        await run(second, shell("exit 0"), timeout_s=60, limit_bytes=100)
        assert await process.stop(5) == Exit(None, signal.SIGTERM)
    finally:
        first.close()
        second.close()


async def test_cgroup_can_be_insisted_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, that is an error and not silently less."""
    monkeypatch.setattr(cgroup, "find", lambda: cgroup.Finding(None, "No cgroup here."))
    spawner = GuardedSpawner(containment="cgroup")
    with pytest.raises(EnvironmentProblemError, match="No cgroup here"):
        await spawner.start(shell("exit 0"))
    assert spawner.trees() == ()
