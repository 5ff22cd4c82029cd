"""Opening a task again after a kill at any point, and what a kill leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    NEXT_REF,
    REF,
    TASK,
    Opened,
    UserRepository,
    git,
    names,
    nested,
    write,
)

from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError
from ai_orchestrator.base.process import Command, DirectSpawner, Process
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace.trees import GitTrees


async def test_opening_again_changes_nothing(opened: Opened) -> None:
    """What the agent was at is still there."""
    write(opened.tree.work, {"a.txt": "work in progress\n", "x.ign": "cache"})
    again = await opened.again()
    assert again.base == opened.base
    assert (again.work / "a.txt").read_text() == "work in progress\n"
    assert (again.work / "x.ign").exists()


def without_repository(directory: Path) -> None:
    """Killed before the task's repository got its name."""
    (directory.parent / "repo.git").rename(directory.parent / "repo.half")
    shutil.rmtree(directory)


def without_base(directory: Path) -> None:
    """Killed before the base was noted."""
    shutil.rmtree(directory.parent / "repo.git/refs/ai-orchestrator")


def while_checking_out(directory: Path) -> None:
    """Killed when half of the files were written, and git held its lock."""
    (directory / "index.made").unlink()
    (directory / "index").rename(directory / "index.lock")
    (directory / "tree/a.txt").unlink()
    (directory / "tree/src/b.py").write_text("b =")


def before_the_mark(directory: Path) -> None:
    """Killed when the checkout was whole, but not said to be."""
    (directory / "index.made").unlink()


def with_locks(directory: Path) -> None:
    """Killed git calls left all locks that there are."""
    (directory / "index.lock").write_bytes(b"half an index")
    for name in ("HEAD.lock", "packed-refs.lock", "config.lock"):
        (directory.parent / "repo.git" / name).touch()
    base = directory.parent / f"repo.git/refs/ai-orchestrator/{TASK}/a1"
    (base / "base.lock").touch()
    (base / "implement/i1").mkdir(parents=True)
    (base / "implement/i1/a1.lock").touch()


def without_tree(directory: Path) -> None:
    """Somebody removed the checkout."""
    shutil.rmtree(directory / "tree")


def with_link_as_tree(directory: Path) -> None:
    """Somebody put a link in its place."""
    shutil.rmtree(directory / "tree")
    (directory / "tree").symlink_to("/etc")


def while_lending(directory: Path) -> None:
    """Killed while a `.git` was made."""
    write(directory / "git.half", {"HEAD": "ref: refs/hea", "objects/x": ""})


def while_taking_from_the_pool(directory: Path) -> None:
    """Killed between the moves."""
    (directory / "index.made").unlink()
    (directory / "pooled").mkdir()
    (directory / "index").rename(directory / "pooled/index")


KILLS = [
    without_repository,
    without_base,
    while_checking_out,
    before_the_mark,
    with_locks,
    without_tree,
    with_link_as_tree,
    while_lending,
    while_taking_from_the_pool,
]


@pytest.mark.parametrize("kill", KILLS)
async def test_a_task_opens_and_works_after_a_kill(
    opened: Opened, kill: Callable[[Path], None]
) -> None:
    """The base is whole again, and a step can be lent, made and recorded."""
    kill(opened.tree.work.parent)
    tree = await opened.again()
    assert (await tree.find(f"refs/ai-orchestrator/{TASK}/a1/base", opened.base)) is not None
    await tree.start_from(opened.base)
    assert names(tree.work) == [".gitignore", "a.txt", "src"]
    assert (tree.work / "src/b.py").read_text() == "b = 1\n"
    await tree.lend_git(opened.base)
    write(tree.work, {"a.txt": "two\n"})
    made = await tree.commit(REF, opened.base, "m")
    assert git(tree.repository, "show", f"{made.commit}:a.txt") == "two"
    assert made.files == 1


class CutError(Exception):
    """Stands for the end of the process."""


class CutSpawner:
    """Starts so many commands, then no more."""

    def __init__(self, commands: int) -> None:
        self.left = commands

    async def start(self, command: Command) -> Process:
        self.left -= 1
        if self.left < 0:
            raise CutError
        return await DirectSpawner().start(command)


async def work(trees: GitTrees, repository: UserRepository) -> StepCommit:
    """All that a small task does with its trees, from the start."""
    base = await trees.resolve(repository.source)
    tree = await trees.open(TASK, 1, repository.source, base)
    if (done := await tree.find(REF, base)) is None or not done.is_changed:
        await tree.start_from(base)
        await tree.lend_git(base)
        write(tree.work, {"a.txt": "two\n", "n/x.txt": "x\n"})
        nested(tree.work / "n")
        done = await tree.commit(REF, base, "m")
    clean = await tree.clean_checkout(done.commit, base_paths=("a.txt",))
    assert (clean / "a.txt").read_text() == "one\n"
    return done


async def test_a_task_cut_before_any_of_its_git_calls_is_finished_by_the_next_process(
    tmp_path: Path, repository: UserRepository, path_env: str
) -> None:
    """However far the first one came, the second one ends with the same tree."""
    trees_of_results = set()
    for commands in range(1000):
        spawner = CutSpawner(commands)
        trees = GitTrees(tmp_path / str(commands), spawner, path_env=path_env)
        try:
            await work(trees, repository)
            is_whole = True
        except CutError:
            is_whole = False
        await trees.close()
        trees = GitTrees(tmp_path / str(commands), DirectSpawner(), path_env=path_env)
        trees_of_results.add((await work(trees, repository)).tree)
        await trees.close()
        if is_whole:
            break
    assert commands > 15
    assert len(trees_of_results) == 1


async def test_a_lock_left_by_a_killed_git_is_no_obstacle_within_a_run(opened: Opened) -> None:
    """After a git that was stopped at its deadline the next call goes on."""
    lock = opened.tree.work.parent / "index.lock"
    lock.touch()
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    lock.touch()
    await opened.tree.start_from(opened.base)
    lock.touch()
    assert not await opened.tree.is_at(made.commit)


async def test_a_broken_index_costs_time_and_nothing_else(opened: Opened) -> None:
    """After a power loss it may hold anything; the files are what counts."""
    write(opened.tree.work, {"a.txt": "two\n", "new.txt": "x\n"})
    (opened.tree.work.parent / "index").write_bytes(b"DIRC nonsense")
    made = await opened.tree.commit(REF, opened.base, "m")
    assert made.files == 2
    assert await opened.tree.is_at(made.commit)


async def test_a_tree_that_was_removed_between_steps_is_made_again(opened: Opened) -> None:
    """Also when it is already there again, empty."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    shutil.rmtree(opened.tree.work)
    assert not await opened.tree.is_at(made.commit)
    await opened.tree.start_from(made.commit)
    assert await opened.tree.is_at(made.commit)
    shutil.rmtree(opened.tree.work)
    opened.tree.work.mkdir()
    await opened.tree.start_from(made.commit)
    assert (opened.tree.work / "a.txt").read_text() == "two\n"


async def test_an_attempt_cannot_be_opened_from_another_base(opened: Opened) -> None:
    """That would be a defect of ours; it must not be papered over."""
    other = opened.repository.commit({"a.txt": "two\n"})
    await opened.trees.resolve(opened.repository.source)
    with pytest.raises(InternalError):
        await opened.trees.open(TASK, 1, opened.repository.source, other)


async def test_a_new_attempt_has_a_tree_of_its_own_and_sees_the_old_commits(
    opened: Opened,
) -> None:
    """Retry starts clean in the same repository."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    second = await opened.trees.open(TASK, 2, opened.repository.source, opened.base)
    assert second.work != opened.tree.work
    assert (second.work / "a.txt").read_text() == "one\n"
    assert await second.find(REF, opened.base) == made


async def test_a_missing_mirror_is_said_plainly(opened: Opened) -> None:
    """Nothing is guessed when the objects are gone."""
    shutil.rmtree(opened.trees.layout.mirror(opened.repository.source))
    with pytest.raises(EnvironmentProblemError, match="mirror has been removed"):
        await opened.trees.open(
            "t-01arz3ndektsv4rrffq69g5fax", 1, opened.repository.source, opened.base
        )


async def test_what_a_task_recorded_can_be_read_without_a_tree(opened: Opened) -> None:
    """For diff, patch and bundle of a task that ended long ago."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(NEXT_REF, opened.base, "m")
    shutil.rmtree(opened.tree.work.parent)
    found = await opened.trees.find(TASK, 1, opened.repository.source)
    assert found is not None
    assert found.base == opened.base
    assert len((await found.diff(found.base, made.commit)).files) == 1
    assert not found.work.exists()
    assert await opened.trees.find(TASK, 7, opened.repository.source) is None
    assert await opened.trees.find("t-x", 1, RepositorySource(path="/nowhere")) is None
