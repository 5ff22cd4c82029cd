"""Nothing runs unowned: whoever of owner, guardian and keeper is killed or frozen."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_orchestrator.base import cgroup


def homes_can_be_made() -> bool:
    """Whether there is a writable cgroup 2 directory."""
    return cgroup.find().path is not None


Start = Callable[..., Any]


def home_of(guardian: int) -> Path:
    """The cgroup of a guardian: the one whose lock it holds."""
    links = (link.readlink() for link in Path(f"/proc/{guardian}/fd").iterdir())
    return next(path for path in links if path.name.startswith(cgroup.HOME_PREFIX))


def test_tree_ends_when_owner_is_killed(start_owner: Start, me: Any, containment: str) -> None:
    """After kill -9 of the owner no process of its tree remains, whatever it did to get away."""
    owner = start_owner(me, containment)
    owner.process.kill()
    owner.until_tree_is_gone()


def test_tree_ends_when_owner_is_frozen(start_owner: Start, me: Any, containment: str) -> None:
    """An owner that is stopped beyond the lease loses its trees, and learns so when it goes on."""
    owner = start_owner(me, containment, lease_s=2.0)
    owner.process.send_signal(signal.SIGSTOP)
    owner.until_tree_is_gone()
    owner.process.send_signal(signal.SIGCONT)
    assert [owner.says(), owner.says(), owner.says()] == ["lost", "again", "closed"]


def test_tree_ends_when_guardian_is_killed(start_owner: Start, me: Any, containment: str) -> None:
    """Its owner gets `GuardianLostError` then, and a new guardian for its next command."""
    owner = start_owner(me, containment)
    os.kill(owner.guardian, signal.SIGKILL)
    owner.until_tree_is_gone()
    assert [owner.says(), owner.says(), owner.says()] == ["lost", "again", "closed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_tree_ends_when_keeper_is_killed(
    start_owner: Start, me: Any, containment: str, number: signal.Signals
) -> None:
    """The guardian, next in line, ends what the keeper left; other trees are not touched."""
    owner = start_owner(me, containment)
    os.kill(owner.keeper, number)
    owner.until_tree_is_gone()
    assert [owner.says(), owner.says(), owner.says()] == ["lost", "again", "closed"]


def test_guardian_ends_its_trees_on_sigterm(start_owner: Start, me: Any, containment: str) -> None:
    """An administrator's plain `kill` of the guardian leaves nothing behind."""
    owner = start_owner(me, containment)
    os.kill(owner.guardian, signal.SIGTERM)
    owner.until_tree_is_gone()
    assert owner.says() == "lost"


def test_ctrl_c_is_not_for_the_guardian(start_owner: Start, me: Any, containment: str) -> None:
    """SIGINT to guardian and keeper changes nothing: it is the owner that decides."""
    owner = start_owner(me, containment)
    before = {owner.guardian, owner.keeper}
    for pid in before:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
    assert {owner.guardian, owner.keeper} == before
    owner.process.kill()
    owner.until_tree_is_gone()


def test_tree_ends_when_owner_and_guardian_are_killed_at_once(
    start_owner: Start, me: Any, containment: str
) -> None:
    """The keeper alone is enough."""
    owner = start_owner(me, containment)
    guardian = owner.guardian
    owner.process.send_signal(signal.SIGSTOP)  # it shall not notice and help
    os.kill(guardian, signal.SIGKILL)
    owner.process.kill()
    owner.until_tree_is_gone()


@pytest.mark.parametrize("victim", ["owner", "guardian", "keeper"])
def test_tree_of_an_ordinary_user_ends(start_owner: Start, nobody: Any, victim: str) -> None:
    """Without any rights, so without a cgroup: no process remains after kill -9."""
    owner = start_owner(nobody, "auto")
    pid = owner.process.pid if victim == "owner" else getattr(owner, victim)
    os.kill(pid, signal.SIGKILL)
    owner.until_tree_is_gone()


def test_owner_ends_a_tree_whose_guardian_and_keeper_are_gone(start_owner: Start, me: Any) -> None:
    """The last resort of an owner: nobody else is left to do it."""
    if not homes_can_be_made():
        pytest.skip("no cgroup 2: what has left its environment cannot be found by the owner")
    owner = start_owner(me, "cgroup")
    guardian, keeper = owner.guardian, owner.keeper
    os.kill(guardian, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    owner.until_tree_is_gone()
    os.kill(guardian, signal.SIGKILL)
    assert [owner.says(), owner.says(), owner.says()] == ["lost", "again", "closed"]


def test_tree_of_an_ordinary_user_ends_when_owner_is_frozen(
    start_owner: Start, nobody: Any
) -> None:
    """The lease holds without any rights as well."""
    owner = start_owner(nobody, "auto", lease_s=2.0)
    owner.process.send_signal(signal.SIGSTOP)
    owner.until_tree_is_gone()


def test_no_cgroup_is_left(start_owner: Start, me: Any) -> None:
    """When the last process is gone its guardian removes the directories it made."""
    if not homes_can_be_made():
        pytest.skip("no cgroup 2")
    owner = start_owner(me, "cgroup")
    home = home_of(owner.guardian)
    assert [path.name for path in home.iterdir() if path.is_dir()] == ["tree-escaping"]
    owner.process.kill()
    owner.until_tree_is_gone()
    owner.until(lambda: not home.exists(), "the guardian's cgroup is removed")
