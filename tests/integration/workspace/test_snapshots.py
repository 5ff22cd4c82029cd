"""Starting from uncommitted changes, without touching where they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    OTHER_TASK,
    REF,
    TASK,
    UserRepository,
    git,
    write,
)

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace.mirror import EMPTY_ROOT
from ai_orchestrator.workspace.trees import GitTrees, Reach


def dirty(repository: UserRepository, ref: str | None = None) -> RepositorySource:
    """The repository with what is not committed."""
    return RepositorySource(path=str(repository.path), ref=ref, include_dirty=True)


async def files(trees: GitTrees, source: RepositorySource, commit: str) -> dict[str, str]:
    """The files of a commit with their content."""
    tree = await trees.open(TASK, 1, source, commit)
    return {
        str(path.relative_to(tree.work)): path.read_text()
        for path in tree.work.rglob("*")
        if path.is_file()
    }


async def test_a_snapshot_has_all_that_is_not_ignored(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Staged, changed, new and deleted files, one staged in spite of being ignored."""
    repository.commit({"gone.txt": "x\n", "same.txt": "same\n"})
    repository.write({"a.txt": "changed\n", "staged.txt": "1\n", "new/n.txt": "n\n"})
    repository.write({"forced.ign": "f\n", "ignored.ign": "i\n", "excluded.txt": "e\n"})
    repository.write({".git/info/exclude": "excluded.txt\n"})
    repository.git("add", "staged.txt")
    repository.git("add", "-f", "forced.ign")
    repository.write({"staged.txt": "2\n"})
    (repository.path / "gone.txt").unlink()
    before = repository.state()
    commit = await trees.resolve(dirty(repository))
    assert repository.state() == before
    assert await files(trees, dirty(repository), commit) == {
        ".gitignore": "*.ign\n",
        "a.txt": "changed\n",
        "forced.ign": "f\n",
        "new/n.txt": "n\n",
        "same.txt": "same\n",
        "src/b.py": "b = 1\n",
        "staged.txt": "2\n",
    }


async def test_what_the_user_ignores_everywhere_is_not_in_a_snapshot(
    tmp_path: Path, repository: UserRepository, path_env: str
) -> None:
    """Secrets are often ignored in the user's own configuration only."""
    write(tmp_path, {"ignore": ".env\n", "config": f"[core]\n\texcludesFile = {tmp_path}/ignore\n"})
    environment = {"GIT_CONFIG_GLOBAL": str(tmp_path / "config"), "PATH": path_env}
    reach = Reach(user_environment=environment)
    trees = GitTrees(tmp_path / "data", DirectSpawner(), path_env=path_env, reach=reach)
    repository.write({".env": "SECRET=1\n", "a.txt": "changed\n"})
    commit = await trees.resolve(dirty(repository))
    found = await files(trees, dirty(repository), commit)
    assert (found["a.txt"], ".env" in found) == ("changed\n", False)
    await trees.close()


async def test_a_snapshot_holds_what_was_staged_and_is_unchanged_since(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Its content is in the user's objects only, so it must be read again."""
    repository.write({"a.txt": "staged\n"})
    repository.git("add", "a.txt")
    commit = await trees.resolve(dirty(repository))
    assert (await files(trees, dirty(repository), commit))["a.txt"] == "staged\n"


async def test_the_same_changes_give_the_same_snapshot(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Resolving again after a kill starts from the same commit."""
    repository.write({"a.txt": "changed\n"})
    first = await trees.resolve(dirty(repository))
    assert await trees.resolve(dirty(repository)) == first != repository.head


async def test_a_clean_tree_needs_no_snapshot(trees: GitTrees, repository: UserRepository) -> None:
    """The option alone changes nothing."""
    assert await trees.resolve(dirty(repository)) == repository.head


async def test_a_first_commit_can_be_a_snapshot(trees: GitTrees, tmp_path: Path) -> None:
    """Files in a repository without any commit."""
    empty = UserRepository.make(tmp_path / "empty")
    empty.write({"a.txt": "x\n"})
    commit = await trees.resolve(dirty(empty))
    assert commit != EMPTY_ROOT
    assert await files(trees, dirty(empty), commit) == {"a.txt": "x\n"}


async def test_repositories_within_the_tree_stay_out(
    trees: GitTrees, repository: UserRepository
) -> None:
    """An untracked clone in a folder is not part of the project."""
    UserRepository.make(repository.path / "clone").commit({"x": "1"})
    UserRepository.make(repository.path / "fresh")
    repository.write({"a.txt": "changed\n"})
    commit = await trees.resolve(dirty(repository))
    assert set(await files(trees, dirty(repository), commit)) == {
        ".gitignore",
        "a.txt",
        "src/b.py",
    }


async def test_links_and_strange_names_are_part_of_a_snapshot(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Names are names, and a link is a link."""
    repository.write({"-rf": "1", "new\nline": "2", ":(top)": "3", "*.txt": "4"})
    (repository.path / "link").symlink_to("/etc/passwd")
    commit = await trees.resolve(dirty(repository))
    tree = await trees.open(TASK, 1, dirty(repository), commit)
    assert (tree.work / "link").readlink() == Path("/etc/passwd")
    assert {path.name for path in tree.work.iterdir()} >= {"-rf", "new\nline", ":(top)", "*.txt"}


async def test_conflicts_and_sparse_checkouts_are_refused(
    trees: GitTrees, repository: UserRepository
) -> None:
    """What is missing there is not deleted, and a conflict is not a start."""
    repository.commit({"x/1": "1", "y/1": "1"})
    repository.git("sparse-checkout", "set", "x")
    repository.write({"a.txt": "changed\n"})
    with pytest.raises(BadInputError, match="sparse"):
        await trees.resolve(dirty(repository))


async def test_another_start_and_uncommitted_changes_exclude_each_other(
    trees: GitTrees, repository: UserRepository
) -> None:
    """The changes belong to HEAD."""
    repository.commit({"a.txt": "two\n"})
    repository.write({"a.txt": "changed\n"})
    with pytest.raises(BadInputError, match="not both"):
        await trees.resolve(dirty(repository, "HEAD~1"))


async def test_a_result_on_a_snapshot_carries_the_snapshot(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """The user's repository has HEAD only, so the bundle begins there."""
    repository.write({"a.txt": "changed\n"})
    source = dirty(repository)
    tree = await trees.open(TASK, 1, source, await trees.resolve(source))
    write(tree.work, {"b.txt": "work\n"})
    made = await tree.commit(REF, tree.base, "step")
    await tree.bundle(REF, tmp_path / "b.bundle")
    repository.git("fetch", "-q", str(tmp_path / "b.bundle"), f"{REF}:refs/heads/got")
    subjects = git(repository.path, "log", "--format=%s", "got")
    assert subjects == "step\nUncommitted changes at the start of the task\nChange"
    assert repository.git("rev-parse", "got") == made.commit


async def test_no_other_task_can_read_a_snapshot(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Its objects are lent to the tasks that start from it only, also when a checkout is reused."""
    repository.write({".env": "KEY=1\n"})
    source = dirty(repository)
    first = await trees.open(TASK, 1, source, await trees.resolve(source))
    await first.lend_git(first.base)
    blob = git(first.work, "rev-parse", "HEAD:.env")
    assert git(first.work, "cat-file", "-p", blob) == "KEY=1"
    await trees.release(first)
    other = await trees.open(OTHER_TASK, 1, repository.source, repository.head)
    await other.lend_git(other.base)
    assert git(other.work, "status", "--porcelain") == ""
    for place in (other.work, other.repository):
        with pytest.raises(subprocess.CalledProcessError):
            git(place, "cat-file", "-e", blob)


async def test_what_is_not_kept_of_a_snapshot_is_gone(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Without changes, after a refusal, and the second time."""
    assert await trees.resolve(dirty(repository)) == repository.head
    repository.write({"a.txt": "two\n"})
    made = ""
    for _ in range(2):
        made = await trees.resolve(dirty(repository))
    mirror = trees.layout.mirror(repository.source)
    assert [path.name for path in trees.layout.mirrors.glob("*.snapshot*/*")] == [made]
    assert not list(trees.layout.mirrors.glob(f"{mirror.stem}.snapshot-*"))
