"""Bringing a result into the user's repository, or not."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    REF,
    TASK,
    Opened,
    UserRepository,
    git,
    names,
    write,
)

from ai_orchestrator.base.errors import BadInputError, ConflictError
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace import apply, new_repository
from ai_orchestrator.workspace.apply import Result
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.trees import GitTrees

BRANCH = f"ai/{TASK[-8:]}-mend-the-parser"


@dataclass(frozen=True)
class Finished:
    """A task that changed `a.txt` and added a file."""

    repository: UserRepository
    result: Result
    tree: str


async def finish(opened: Opened, bundle: Path) -> Finished:
    """The task's result as the server would hand it out."""
    write(opened.tree.work, {"a.txt": "two\n", "-rf": "new\n"})
    made = await opened.tree.commit(REF, opened.base, "implement: change")
    await opened.tree.bundle(REF, bundle)
    result = Result(TASK, "Mend the  parser", bundle, REF, opened.base, made.commit, made.tree)
    return Finished(opened.repository, result, made.tree)


@pytest.fixture
async def finished(opened: Opened, tmp_path: Path) -> Finished:
    """A finished task on an otherwise untouched repository."""
    return await finish(opened, tmp_path / "result.bundle")


async def test_a_branch_holds_the_steps_and_says_which_tree_was_verified(
    user_git: GitClient, finished: Finished
) -> None:
    """The current branch, the index and the tree are as before."""
    user = finished.repository
    head = user.head
    done = await apply.to_branch(user_git, user.path, finished.result)
    assert (done.branch, done.is_verified, done.is_new) == (BRANCH, True, True)
    assert user.git("rev-parse", BRANCH, f"{BRANCH}^{{tree}}").split() == [
        done.commit,
        finished.tree,
    ]
    assert user.git("log", "--format=%s", BRANCH).splitlines() == [
        "Mend the parser",
        "implement: change",
        "Change",
    ]
    assert user.git("log", "-1", "--format=%(trailers)", BRANCH).split("\n") == [
        f"AI-Orchestrator-Task: {TASK}",
        f"AI-Orchestrator-Verified: {finished.tree}",
    ]
    assert (user.head, user.git("status", "--porcelain")) == (head, "")


@pytest.mark.parametrize("verified", [None, "0" * 40])
async def test_a_tree_that_was_not_verified_is_not_said_to_be(
    user_git: GitClient, finished: Finished, verified: str | None
) -> None:
    """The branch ends with the last step."""
    result = replace(finished.result, verified_tree=verified)
    done = await apply.to_branch(user_git, finished.repository.path, result)
    assert (done.commit, done.is_verified) == (result.commit, False)
    assert "Verified" not in finished.repository.git("log", "--format=%B", BRANCH)


async def test_applying_twice_changes_nothing(user_git: GitClient, finished: Finished) -> None:
    """The same branch with the same content is what was asked for."""
    first = await apply.to_branch(user_git, finished.repository.path, finished.result)
    again = await apply.to_branch(user_git, finished.repository.path, finished.result)
    assert again == replace(first, is_new=False)


async def test_a_branch_with_other_content_is_never_overwritten(
    user_git: GitClient, finished: Finished
) -> None:
    """Another name is the way out."""
    user = finished.repository
    user.git("branch", BRANCH)
    with pytest.raises(ConflictError, match=r"git branch -m ai/.* NEW.*--merge"):
        await apply.to_branch(user_git, user.path, finished.result)
    assert user.git("rev-parse", BRANCH) == user.head
    done = await apply.to_branch(user_git, user.path, finished.result, branch="mine")
    assert user.git("rev-parse", "mine") == done.commit


@pytest.mark.parametrize("existing", ["ai", f"{BRANCH}/more"])
async def test_a_branch_in_the_way_is_named(
    user_git: GitClient, finished: Finished, existing: str
) -> None:
    """Git keeps one of them as a file where the other needs a folder."""
    finished.repository.git("branch", existing)
    with pytest.raises(ConflictError, match=f"beside branch {existing}"):
        await apply.to_branch(user_git, finished.repository.path, finished.result)


@pytest.mark.parametrize("name", ["-f", "a..b", "a b", "@{", "x.lock"])
async def test_a_name_that_is_no_branch_is_refused(
    user_git: GitClient, finished: Finished, name: str
) -> None:
    """Before anything is fetched."""
    with pytest.raises(BadInputError):
        await apply.to_branch(user_git, finished.repository.path, finished.result, branch=name)


async def test_a_repository_without_the_start_is_told_so(
    user_git: GitClient, finished: Finished, tmp_path: Path
) -> None:
    """A result fits where the task started, or where its start was fetched."""
    other = UserRepository.make(tmp_path / "other")
    other.commit({"x": "1"})
    with pytest.raises(ConflictError, match="does not fit this repository"):
        await apply.to_branch(user_git, other.path, finished.result)


async def test_an_unmoved_branch_is_merged_by_moving_it(
    user_git: GitClient, finished: Finished
) -> None:
    """The verified tree is what the user then has."""
    user = finished.repository
    user.write({"untracked.txt": "stays"})
    done = await apply.merge(user_git, user.path, finished.result)
    assert (done.branch, done.commit, done.is_verified) == ("main", user.head, True)
    assert (user.path / "a.txt").read_text() == "two\n"
    assert (user.path / "-rf").read_text() == "new\n"
    assert user.git("status", "--porcelain") == "?? untracked.txt"
    again = await apply.merge(user_git, user.path, finished.result)
    assert again == replace(done, is_new=False)


async def test_a_moved_branch_gets_a_merge_commit_of_the_user(
    user_git: GitClient, finished: Finished
) -> None:
    """Its tree is a new one, which nobody has verified."""
    user = finished.repository
    before = user.commit({"elsewhere.txt": "x\n"})
    done = await apply.merge(user_git, user.path, finished.result)
    assert not done.is_verified
    assert user.git("log", "-1", "--format=%an|%s|%(trailers)").startswith(
        f"A User|Mend the parser|AI-Orchestrator-Task: {TASK}"
    )
    assert user.git("rev-parse", "HEAD^1") == before
    assert "Verified" not in user.git("log", "-1", "--format=%B")


async def test_a_conflict_is_reported_and_undone(user_git: GitClient, finished: Finished) -> None:
    """Everything is as before."""
    user = finished.repository
    head = user.commit({"a.txt": "mine\n"})
    with pytest.raises(ConflictError, match=r"conflicts with main in a\.txt"):
        await apply.merge(user_git, user.path, finished.result)
    assert (user.head, user.git("status", "--porcelain")) == (head, "")
    assert not (user.path / ".git/MERGE_HEAD").exists()


async def test_an_untracked_file_in_the_way_is_not_overwritten(
    user_git: GitClient, finished: Finished
) -> None:
    """Git refuses, and its reason is given."""
    user = finished.repository
    user.write({"-rf": "mine"})
    with pytest.raises(ConflictError, match="would be overwritten"):
        await apply.merge(user_git, user.path, finished.result)
    assert (user.path / "-rf").read_text() == "mine"


async def test_uncommitted_changes_or_no_branch_stand_in_the_way_of_a_merge(
    user_git: GitClient, finished: Finished
) -> None:
    """A branch of its own is the way out."""
    user = finished.repository
    user.write({"src/b.py": "mine\n"})
    with pytest.raises(ConflictError, match="uncommitted changes"):
        await apply.merge(user_git, user.path, finished.result)
    user.git("checkout", "-q", ".")
    user.git("checkout", "-q", "--detach")
    with pytest.raises(ConflictError, match="HEAD is on no branch"):
        await apply.merge(user_git, user.path, finished.result)


async def test_hooks_that_lie_in_the_tree_do_not_run(
    user_git: GitClient, opened: Opened, tmp_path: Path
) -> None:
    """With tools that keep hooks in the tree an agent may have written them."""
    user = opened.repository
    user.git("config", "core.hooksPath", ".hooks")
    trap = tmp_path / "ran"
    for hook in ("post-merge", "pre-merge-commit", "post-checkout", "reference-transaction"):
        write(opened.tree.work, {f".hooks/{hook}": f"#!/bin/sh\ntouch {trap}\n"})
        (opened.tree.work / ".hooks" / hook).chmod(0o755)
    finished = await finish(opened, tmp_path / "result.bundle")
    await apply.merge(user_git, user.path, finished.result)
    assert (user.path / ".hooks/post-merge").exists()
    assert not trap.exists()


async def test_a_patch_applies_to_where_the_task_started(
    user_git: GitClient, finished: Finished, tmp_path: Path
) -> None:
    """Binary files and strange names included; the repository is only read."""
    user = finished.repository
    before = user.state()
    size = await apply.write_patch(user_git, user.path, finished.result, tmp_path / "x.patch")
    assert user.state() == before
    assert size == (tmp_path / "x.patch").stat().st_size > 0
    user.git("apply", str(tmp_path / "x.patch"))
    assert user.git("status", "--porcelain") == "M a.txt\n?? -rf"


async def test_a_git_variable_of_a_hook_does_not_turn_apply_elsewhere(
    finished: Finished, path_env: str, tmp_path: Path
) -> None:
    """Run from within a hook, git would follow GIT_DIR."""
    other = UserRepository.make(tmp_path / "other")
    environment = {"PATH": path_env, "GIT_DIR": str(other.path / ".git"), "HOME": os.devnull}
    git_client = GitClient(DirectSpawner(), path_env=path_env, user_environment=environment)
    await apply.to_branch(git_client, finished.repository.path, finished.result)
    assert other.git("branch", "--list") == ""
    assert finished.repository.git("branch", "--list", BRANCH) != ""


async def test_a_new_repository_appears_whole(
    trees: GitTrees, user_git: GitClient, tmp_path: Path
) -> None:
    """History from nothing, on `main`, checked out, verified."""
    source = RepositorySource(new_directory=str(tmp_path / "out/fresh"))
    base = await trees.resolve(source)
    tree = await trees.open(TASK, 1, source, base)
    write(tree.work, {"src/app.py": "app\n"})
    made = await tree.commit(REF, base, "implement")
    await tree.bundle(REF, tmp_path / "b")
    result = Result(TASK, "Write an app", tmp_path / "b", REF, base, made.commit, made.tree)
    done = await new_repository.create(user_git, tmp_path / "out/fresh", result)
    fresh = UserRepository(tmp_path / "out/fresh")
    assert (done.commit, done.is_verified) == (fresh.head, True)
    assert fresh.git("status", "--porcelain", "--branch") == "## main"
    assert fresh.git("log", "--format=%s").splitlines() == [
        "Write an app",
        "implement",
        "Start from nothing",
    ]
    assert (fresh.path / "src/app.py").read_text() == "app\n"
    assert names(tmp_path / "out") == ["fresh"]


async def test_a_directory_in_use_by_now_is_not_touched(
    user_git: GitClient, finished: Finished, tmp_path: Path
) -> None:
    """Nothing appears beside it either."""
    write(tmp_path, {"out/fresh/file": "mine"})
    with pytest.raises(ConflictError, match="not an empty directory"):
        await new_repository.create(user_git, tmp_path / "out/fresh", finished.result)
    assert names(tmp_path / "out") == ["fresh"]
    assert names(tmp_path / "out/fresh") == ["file"]


async def test_a_result_without_changes_has_no_bundle(opened: Opened, tmp_path: Path) -> None:
    """There is nothing to bring."""
    await opened.tree.commit(REF, opened.base, "m")
    with pytest.raises(ConflictError, match="nothing"):
        await opened.tree.bundle(REF, tmp_path / "b")
    assert git(opened.tree.repository, "count-objects") == "0 objects, 0 kilobytes"
