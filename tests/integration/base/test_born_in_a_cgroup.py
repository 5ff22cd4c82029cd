"""The first process of a tree is born in its tree's cgroup; who keeps the tree is outside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_orchestrator.base import cgroup_start
from ai_orchestrator.base.process import Command, GuardedSpawner, describe_containment, run

pytestmark = pytest.mark.skipif(
    describe_containment().kind != "cgroup", reason="no cgroup 2 that we may write to"
)
Shell = Callable[..., Command]

_THREAD_LIBRARY = 0b11 << 31
"""Signals 32 and 33, which the C library keeps to itself: whoever started us may have left them
ignored, and no program can ask for anything else (signal(7), NPTL)."""


@pytest.fixture
def spawner() -> Iterator[GuardedSpawner]:
    """One that insists on cgroups."""
    with GuardedSpawner(lease_s=60, containment="cgroup") as one:
        yield one


async def test_program_and_its_children_are_in_the_trees_cgroup(
    spawner: GuardedSpawner, shell: Shell
) -> None:
    """So that the kernel ends all of them in one step, those that have just been forked too."""
    text = "cat /proc/self/cgroup; (cat /proc/self/cgroup)"
    done = await run(spawner, shell(text, tree="born"), timeout_s=30, limit_bytes=10_000)
    own = [line for line in done.stdout.decode().splitlines() if line.startswith("0::")]
    assert len(own) == 2
    assert all(line.endswith("/tree-born") for line in own)


async def test_keeper_stays_outside(spawner: GuardedSpawner, shell: Shell) -> None:
    """Killing the cgroup must not kill the one who reports the end."""
    text = "cat /proc/$PPID/cgroup"
    done = await run(spawner, shell(text, tree="kept"), timeout_s=30, limit_bytes=10_000)
    own = [line for line in done.stdout.decode().splitlines() if line.startswith("0::")]
    assert own
    assert not own[0].endswith("/tree-kept")


async def test_program_starts_with_no_signal_blocked_or_ignored(
    spawner: GuardedSpawner, shell: Shell
) -> None:
    """What the keeper blocks while it forks is not handed on."""
    text = "grep -E '^Sig(Blk|Ign)' /proc/self/status"
    done = await run(spawner, shell(text, tree="signals"), timeout_s=30, limit_bytes=10_000)
    masks = [int(line.split()[1], 16) for line in done.stdout.decode().splitlines()]
    assert [mask & ~_THREAD_LIBRARY for mask in masks] == [0, 0]


async def test_descriptors_come_under_their_numbers_and_no_others(
    spawner: GuardedSpawner, shell: Shell, tmp_path: Path
) -> None:
    """Nothing of the keeper's is open in the program."""
    (tmp_path / "passed").write_text("through 7")
    with (tmp_path / "passed").open() as file:
        base = shell("cat <&7; ls /proc/$$/fd", tree="fds")
        command = Command(base.argv, base.cwd, base.env, "fds", pass_fds={7: file.fileno()})
        done = await run(spawner, command, timeout_s=30, limit_bytes=10_000)
    assert done.stdout.decode().split("\n", 1)[0].startswith("through 7")
    assert set(done.stdout.decode()[len("through 7") :].split()) == {"0", "1", "2", "7"}


def test_this_machine_lets_processes_be_born_there() -> None:
    """Where a cgroup was found the call was allowed as well."""
    assert cgroup_start.problem() == ""
