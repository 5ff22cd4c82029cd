"""Checkouts given back by one task and taken by the next."""

from __future__ import annotations

from tests.integration.workspace.repositories import (
    OTHER_TASK,
    REF,
    TASK,
    Opened,
    git,
    names,
    nested,
    write,
)


async def test_a_released_checkout_serves_the_next_task(opened: Opened) -> None:
    """The files are not written again: the same ones are there."""
    inode = (opened.tree.work / "a.txt").stat().st_ino
    await opened.trees.release(opened.tree)
    assert not opened.tree.work.exists()
    tree = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    assert (tree.work / "a.txt").stat().st_ino == inode
    assert await tree.is_at(opened.base)


async def test_nothing_of_the_first_task_is_left_in_a_pooled_checkout(opened: Opened) -> None:
    """No work, no ignored file, no repository, no object."""
    await opened.tree.lend_git(opened.base)
    write(opened.tree.work, {"a.txt": "secret\n", "s/x.ign": "secret", "new.txt": "secret"})
    nested(opened.tree.work / "n")
    await opened.tree.commit(REF, opened.base, "m")
    await opened.trees.release(opened.tree)
    pool = opened.trees.layout.mirror(opened.repository.source).with_suffix(".pool")
    assert names(next(pool.iterdir()) / "tree") == [".gitignore", "a.txt", "src"]
    tree = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    assert names(tree.work) == [".gitignore", "a.txt", "src"]
    assert git(tree.repository, "for-each-ref", "--format=%(refname)").splitlines() == [
        f"refs/ai-orchestrator/{OTHER_TASK}/a1/base"
    ]


async def test_a_pooled_checkout_moves_to_another_commit(opened: Opened) -> None:
    """The next task may start from somewhere else."""
    await opened.trees.release(opened.tree)
    (opened.repository.path / "a.txt").unlink()
    base = opened.repository.commit({"c/new.txt": "c\n"})
    assert await opened.trees.resolve(opened.repository.source) == base
    tree = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, base)
    assert names(tree.work) == [".gitignore", "c", "src"]
    write(tree.work, {"c/new.txt": "d\n", "e.txt": "e\n"})
    ref = f"refs/ai-orchestrator/{OTHER_TASK}/a1/implement/i1/a1"
    assert (await tree.commit(ref, base, "m")).files == 2


async def test_the_pool_stays_small(opened: Opened) -> None:
    """Each checkout costs room on the disk."""
    source = opened.repository.source
    trees = [opened.tree] + [await opened.trees.open(TASK, n, source, opened.base) for n in (2, 3)]
    for tree in trees:
        await opened.trees.release(tree)
    pool = opened.trees.layout.mirror(source).with_suffix(".pool")
    assert len(names(pool)) == 2


async def test_a_released_attempt_can_be_opened_again(opened: Opened) -> None:
    """Its commits are all there."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    await opened.tree.clean_checkout(made.commit)
    await opened.trees.release(opened.tree)
    tree = await opened.again()
    await tree.start_from(made.commit)
    assert (tree.work / "a.txt").read_text() == "two\n"
