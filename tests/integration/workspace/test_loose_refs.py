"""Refs that are set without git, as git reads them."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import REF, TASK, Opened

from ai_orchestrator.base.errors import InternalError
from ai_orchestrator.workspace.git import DiskFullError
from ai_orchestrator.workspace.loose_ref import set_ref


def test_git_finds_what_was_set_and_set_again(opened: Opened) -> None:
    """In a folder that was not there before; and git can set the ref itself afterwards."""
    repository = opened.tree.repository
    for name in (opened.base, opened.git("commit-tree", f"{opened.base}^{{tree}}", "-m", "x")):
        set_ref(repository, REF, name)
        assert opened.git("rev-parse", REF) == name
        assert opened.git("for-each-ref", "--format=%(objectname)", REF) == name
    opened.git("update-ref", "--no-deref", REF, opened.base)
    assert opened.git("rev-parse", REF) == opened.base
    assert opened.git("fsck", "--connectivity-only", "--no-dangling") == ""


def test_several_that_set_one_ref_at_once_do_not_meet(opened: Opened) -> None:
    """Requests do so beside the task's own steps; a reader never finds half a ref."""
    repository = opened.tree.repository
    other = opened.git("commit-tree", f"{opened.base}^{{tree}}", "-m", "x")
    set_ref(repository, REF, opened.base)
    read = set()

    def work(commit: str) -> None:
        for _ in range(100):
            set_ref(repository, REF, commit)
            read.add((repository / REF).read_text())

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, commit) for commit in (opened.base, other, opened.base)]:
            done.result()
    assert read == {f"{opened.base}\n", f"{other}\n"}
    assert [path.name for path in (repository / REF).parent.iterdir()] == [Path(REF).name]


async def test_what_a_killed_process_left_goes_with_the_next_opening(opened: Opened) -> None:
    """It is no ref to git until then."""
    half = opened.tree.repository / f"{REF}.0123abcd.lock"
    half.parent.mkdir(parents=True)
    half.write_text("half")
    set_ref(opened.tree.repository, REF, opened.base)
    assert opened.git("for-each-ref", "--format=%(refname)", REF.rpartition("/")[0]) == REF
    await opened.trees.open(TASK, 1, opened.repository.source, opened.base)
    assert not half.exists()
    assert opened.git("rev-parse", REF) == opened.base


def test_only_a_commit_id_is_written(opened: Opened) -> None:
    """The ref stays as it was."""
    set_ref(opened.tree.repository, REF, opened.base)
    with pytest.raises(InternalError, match="not a commit id"):
        set_ref(opened.tree.repository, REF, "HEAD")
    assert opened.git("rev-parse", REF) == opened.base


def test_a_full_disk_is_named(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the ref stays as it was."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    set_ref(opened.tree.repository, REF, opened.base)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFullError, match="No room left"):
        set_ref(opened.tree.repository, REF, opened.base)
    assert opened.git("rev-parse", REF) == opened.base
    assert Path(opened.tree.repository / REF).is_file()
