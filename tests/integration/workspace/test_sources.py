"""Resolving what a task starts from: paths and URLs, and what is refused with a way out."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    OTHER_TASK,
    REF,
    TASK,
    UserRepository,
    git,
    names,
    write,
)

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace.mirror import EMPTY_ROOT, SourceUnreadableError
from ai_orchestrator.workspace.trees import GitTrees, Reach


async def test_the_users_repository_is_only_read(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Not even its index is refreshed."""
    os.utime(repository.path / "a.txt", ns=(1, 1))
    before = repository.state()
    assert await trees.resolve(repository.source) == repository.head
    assert repository.state() == before


async def test_a_mirror_borrows_from_nobody(trees: GitTrees, repository: UserRepository) -> None:
    """The user may delete the repository, and the work goes on."""
    base = await trees.resolve(repository.source)
    shutil.rmtree(repository.path)
    tree = await trees.open(TASK, 1, repository.source, base)
    assert (tree.work / "a.txt").read_text() == "one\n"
    (alternates,) = trees.layout.mirrors.glob("*.git/objects/info/alternates")
    assert alternates.read_bytes() == b""


async def test_a_source_that_borrows_is_copied(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """With what it borrowed."""
    git(tmp_path, "clone", "-q", "--shared", str(repository.path), "shared")
    shared = UserRepository(tmp_path / "shared")
    base = await trees.resolve(shared.source)
    shutil.rmtree(repository.path)
    shutil.rmtree(shared.path)
    tree = await trees.open(TASK, 1, shared.source, base)
    assert (tree.work / "src/b.py").read_text() == "b = 1\n"


async def test_a_new_commit_is_fetched_and_an_old_one_is_not_fetched_again(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Resolving follows HEAD, back and forth."""
    first = await trees.resolve(repository.source)
    second = repository.commit({"a.txt": "two\n"})
    assert await trees.resolve(repository.source) == second
    repository.git("checkout", "-q", first)
    assert await trees.resolve(repository.source) == first


@pytest.mark.parametrize("ref", ["side", "v1", "refs/heads/side", "main~1", "HEAD~1"])
async def test_a_ref_names_the_start(trees: GitTrees, repository: UserRepository, ref: str) -> None:
    """Branches, tags and revisions, whatever is checked out or changed."""
    start = repository.head
    repository.git("branch", "side")
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.commit({"a.txt": "two\n"})
    repository.write({"a.txt": "uncommitted\n"})
    source = RepositorySource(path=str(repository.path), ref=ref)
    assert await trees.resolve(source) == start


@pytest.mark.parametrize("ref", ["missing", "-rf", "--all", "", "a\nb", "HEAD:a.txt"])
async def test_a_ref_that_names_no_commit_is_refused(
    trees: GitTrees, repository: UserRepository, ref: str
) -> None:
    """Options and files are no refs either."""
    with pytest.raises(BadInputError):
        await trees.resolve(RepositorySource(path=str(repository.path), ref=ref))


async def test_a_folder_that_is_no_repository_is_refused_with_the_way_out(
    trees: GitTrees, tmp_path: Path
) -> None:
    """The message says what to type."""
    with pytest.raises(BadInputError, match="git init"):
        await trees.resolve(RepositorySource(path=str(tmp_path)))
    with pytest.raises(BadInputError, match="no such directory"):
        await trees.resolve(RepositorySource(path=str(tmp_path / "missing")))
    with pytest.raises(BadInputError, match="absolute"):
        await trees.resolve(RepositorySource(path="."))


async def test_a_repositorys_own_folder_is_refused(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Work starts from a checkout, not from within `.git`."""
    with pytest.raises(BadInputError, match=r"inside a \.git directory"):
        await trees.resolve(RepositorySource(path=str(repository.path / ".git")))


@pytest.mark.parametrize(
    "change",
    [{"a.txt": "changed\n"}, {"src/b.py": ""}],
    ids=["changed", "emptied"],
)
async def test_uncommitted_changes_are_refused_with_the_way_out(
    trees: GitTrees, repository: UserRepository, change: dict[str, str]
) -> None:
    """The files and the option are named."""
    repository.write(change)
    with pytest.raises(BadInputError, match=r"--include-dirty") as caught:
        await trees.resolve(repository.source)
    assert next(iter(change)) in str(caught.value)


async def test_staged_deleted_and_conflicting_files_count_as_changes(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Whatever git status shows of tracked files."""
    repository.git("checkout", "-q", "-b", "side")
    repository.commit({"a.txt": "side\n"})
    repository.git("checkout", "-q", "main")
    repository.commit({"a.txt": "main\n"})
    with pytest.raises(Exception, match="merge"):
        repository.git("merge", "side")
    repository.write({"new.txt": "x"})
    repository.git("add", "new.txt")
    (repository.path / "src/b.py").unlink()
    state = await trees.inspect(repository.path)
    assert sorted(state.changed) == ["a.txt", "new.txt", "src/b.py"]
    assert state.conflicts == ("a.txt",)


async def test_untracked_files_are_only_a_note(trees: GitTrees, repository: UserRepository) -> None:
    """They do not stand in the way."""
    repository.write({"new/one.txt": "1", "new/two.txt": "2", "three.txt": "3", "x.ign": ""})
    assert await trees.resolve(repository.source) == repository.head
    assert await trees.notes(repository.source) == (
        "2 untracked files or folders are not part of the work.",
    )


async def test_an_empty_repository_starts_from_nothing(trees: GitTrees, tmp_path: Path) -> None:
    """The start is the same everywhere, and real work can follow it."""
    empty = UserRepository.make(tmp_path / "empty")
    assert await trees.resolve(empty.source) == EMPTY_ROOT
    tree = await trees.open(TASK, 1, empty.source, EMPTY_ROOT)
    assert names(tree.work) == []
    write(tree.work, {"a.txt": "x"})
    assert (await tree.commit(REF, EMPTY_ROOT, "m")).is_changed
    await tree.lend_git(EMPTY_ROOT)
    assert git(tree.work, "log", "--format=%s") == "Start from nothing"
    assert any("no commit yet" in note for note in await trees.notes(empty.source))


async def test_a_first_commit_is_found_after_an_empty_start(
    trees: GitTrees, tmp_path: Path
) -> None:
    """The mirror of an empty repository grows with it."""
    empty = UserRepository.make(tmp_path / "empty")
    await trees.resolve(empty.source)
    first = empty.commit({"a.txt": "1\n"})
    assert await trees.resolve(empty.source) == first
    tree = await trees.open(TASK, 1, empty.source, first)
    assert (tree.work / "a.txt").exists()


async def test_a_branch_without_commits_beside_others_is_refused(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Starting from nothing would hardly be what is meant."""
    repository.git("checkout", "-q", "--orphan", "fresh")
    repository.git("rm", "-rfq", "--cached", ".")
    with pytest.raises(BadInputError, match="refs/heads/main exists"):
        await trees.resolve(repository.source)


async def test_a_shallow_clone_is_enough(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """Work, history and the agent's git end where the clone was cut; later commits arrive."""
    repository.commit({"a.txt": "two\n"})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository.path}", "shallow")
    shallow = UserRepository(tmp_path / "shallow")
    base = await trees.resolve(shallow.source)
    tree = await trees.open(TASK, 1, shallow.source, base)
    write(tree.work, {"a.txt": "three\n"})
    made = await tree.commit(REF, base, "m")
    await tree.lend_git(made.commit)
    assert git(tree.work, "log", "--format=%s") == "m\nChange"
    assert await trees.resolve(shallow.source) == shallow.head
    assert await trees.resolve(shallow.source) != shallow.commit({"b.txt": "x"})
    assert await trees.resolve(shallow.source) == shallow.head
    assert any("shallow" in note for note in await trees.notes(shallow.source))


async def test_a_partial_clone_is_refused_with_the_way_out(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """Its missing files are on a server only."""
    repository.git("config", "uploadpack.allowFilter", "true")
    url = f"file://{repository.path}"
    git(tmp_path, "clone", "-q", "--filter=blob:none", url, "partial")
    with pytest.raises(BadInputError, match="partial clone"):
        await trees.resolve(RepositorySource(path=str(tmp_path / "partial")))


async def test_a_linked_worktree_is_a_repository_like_any_other(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """Its HEAD counts, the objects are in the main repository."""
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    linked = UserRepository(tmp_path / "linked")
    head = linked.commit({"a.txt": "linked\n"})
    assert await trees.resolve(linked.source) == head
    assert await trees.resolve(repository.source) == repository.head != head


async def test_a_bare_repository_is_accepted(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """It has no tree that could be dirty."""
    git(tmp_path, "clone", "-q", "--bare", str(repository.path), "bare.git")
    source = RepositorySource(path=str(tmp_path / "bare.git"))
    assert await trees.resolve(source) == repository.head


async def test_a_repository_with_a_branch_named_ai_is_accepted(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Our refs live elsewhere."""
    repository.git("branch", "ai")
    base = await trees.resolve(repository.source)
    tree = await trees.open(TASK, 1, repository.source, base)
    assert (await tree.commit(REF, base, "m")).commit == base


async def test_sha256_repositories_work(trees: GitTrees, tmp_path: Path) -> None:
    """From start to commit, the agent's git included."""
    modern = UserRepository.make(tmp_path / "modern", "--object-format=sha256")
    base = modern.commit({"a.txt": "1\n"})
    assert await trees.resolve(modern.source) == base
    tree = await trees.open(TASK, 1, modern.source, base)
    write(tree.work, {"a.txt": "2\n"})
    made = await tree.commit(REF, base, "m")
    await tree.lend_git(made.commit)
    assert git(tree.work, "status", "--porcelain") == ""
    clean = await tree.clean_checkout(made.commit, base_paths=("a.txt",))
    assert (clean / "a.txt").read_text() == "1\n"


async def test_hooks_and_monitors_of_the_user_do_not_run(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """Looking at a repository must not start what its configuration names."""
    trap = tmp_path / "ran"
    program = tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {trap}\n")
    program.chmod(0o755)
    repository.git("config", "core.fsmonitor", str(program))
    shutil.copy(program, repository.path / ".git/hooks/post-index-change")
    await trees.resolve(repository.source)
    assert not trap.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
async def test_a_repository_of_somebody_else_is_refused(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Its configuration may be a trap; git's own check is not switched off."""
    os.chown(repository.path, 65534, 65534)
    os.chown(repository.path / ".git", 65534, 65534)
    with pytest.raises(BadInputError, match="belongs to you"):
        await trees.resolve(repository.source)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
async def test_a_repository_that_the_user_trusts_is_accepted(
    tmp_path: Path, repository: UserRepository, path_env: str
) -> None:
    """As in a container, where the checkout belongs to somebody else."""
    os.chown(repository.path, 65534, 65534)
    os.chown(repository.path / ".git", 65534, 65534)
    write(tmp_path, {"config": f"[safe]\n\tdirectory = {repository.path}\n"})
    environment = {"GIT_CONFIG_GLOBAL": str(tmp_path / "config"), "PATH": path_env}
    reach = Reach(user_environment=environment)
    trees = GitTrees(tmp_path / "data", DirectSpawner(), path_env=path_env, reach=reach)
    base = await trees.resolve(repository.source)
    assert (await trees.open(TASK, 1, repository.source, base)).base == base
    await trees.close()


async def test_two_processes_may_make_the_same_mirror_at_once(
    tmp_path: Path, repository: UserRepository, path_env: str
) -> None:
    """One makes it, the other waits and finds it."""
    every = [GitTrees(tmp_path / "data", DirectSpawner(), path_env=path_env) for _ in range(4)]
    bases = await asyncio.gather(*(trees.resolve(repository.source) for trees in every))
    assert set(bases) == {repository.head}
    opened = await asyncio.gather(
        every[0].open(TASK, 1, repository.source, bases[0]),
        every[1].open(OTHER_TASK, 1, repository.source, bases[0]),
    )
    assert all((tree.work / "a.txt").exists() for tree in opened)
    for trees in every:
        await trees.close()


async def test_a_clone_that_was_killed_is_made_again(
    trees: GitTrees, repository: UserRepository
) -> None:
    """What it left lies under a name of its own."""
    half = trees.layout.mirror(repository.source).with_suffix(".half")
    write(half, {"objects/x": "half", "HEAD": "ref: refs/heads/main"})
    base = await trees.resolve(repository.source)
    assert (await trees.open(TASK, 1, repository.source, base)).base == base
    assert not half.exists()


async def test_a_fetch_that_was_killed_is_done_again(
    trees: GitTrees, repository: UserRepository
) -> None:
    """A commit without its files, as a killed fetch leaves it, is not taken for present."""
    await trees.resolve(repository.source)
    head = repository.commit({"a.txt": "two\n"})
    mirror = trees.layout.mirror(repository.source)
    name = Path(head[:2], head[2:])
    (mirror / "objects" / name.parent).mkdir(exist_ok=True)
    shutil.copy(repository.path / ".git/objects" / name, mirror / "objects" / name)
    assert await trees.resolve(repository.source) == head
    tree = await trees.open(TASK, 1, repository.source, head)
    assert (tree.work / "a.txt").read_text() == "two\n"


@pytest.mark.parametrize("ref", [None, "main", "side", "v1", "refs/tags/v1", "commit"])
async def test_a_url_is_resolved_to_what_it_has_now(
    trees: GitTrees, repository: UserRepository, ref: str | None
) -> None:
    """Default branch, branch, tag and commit; a moved branch is fetched."""
    repository.git("branch", "side")
    repository.git("tag", "-a", "v1", "-m", "one")
    name = repository.head if ref == "commit" else ref
    source = RepositorySource(url=f"file://{repository.path}", ref=name)
    assert await trees.resolve(source) == repository.head
    old = repository.head
    new = repository.commit({"a.txt": "two\n"})
    assert await trees.resolve(source) == (new if ref in (None, "main") else old)
    tree = await trees.open(TASK, 1, source, await trees.resolve(source))
    assert (tree.work / "a.txt").exists()


async def test_a_url_without_such_a_branch_or_with_two_meanings_is_refused(
    trees: GitTrees, repository: UserRepository
) -> None:
    """The message says which names there are."""
    repository.git("branch", "both")
    repository.git("tag", "both")
    url = f"file://{repository.path}"
    with pytest.raises(BadInputError, match="no branch or tag 'none'"):
        await trees.resolve(RepositorySource(url=url, ref="none"))
    with pytest.raises(BadInputError, match="refs/heads/both and refs/tags/both"):
        await trees.resolve(RepositorySource(url=url, ref="both"))


async def test_a_url_that_cannot_be_read_is_refused(trees: GitTrees, tmp_path: Path) -> None:
    """What git said is in the message."""
    with pytest.raises(SourceUnreadableError, match="does not appear to be a git repository"):
        await trees.resolve(RepositorySource(url=f"file://{tmp_path}/none"))


async def test_a_redirect_to_a_program_is_not_followed(
    trees: GitTrees, repository: UserRepository, tmp_path: Path
) -> None:
    """A URL that would start a helper is refused before git sees it."""
    with pytest.raises(BadInputError):
        await trees.resolve(RepositorySource(url=f"ext::sh -c touch% {tmp_path}/ran"))
    assert not (tmp_path / "ran").exists()


async def test_a_new_directory_starts_from_nothing_and_must_be_unused(
    trees: GitTrees, tmp_path: Path
) -> None:
    """What is there already is never overwritten."""
    source = RepositorySource(new_directory=str(tmp_path / "fresh"))
    assert await trees.resolve(source) == EMPTY_ROOT
    write(tmp_path, {"fresh/file": "x"})
    with pytest.raises(BadInputError, match="not an empty directory"):
        await trees.resolve(source)


async def test_no_agent_can_read_what_its_commit_does_not_lead_to(
    trees: GitTrees, repository: UserRepository
) -> None:
    """Neither what was reset away, nor a stash, nor another branch, nor what is only staged."""
    secrets = [secret_objects(repository, how) for how in ("reset", "stash", "branch", "staged")]
    assert await trees.resolve(repository.source) == repository.head
    tree = await trees.open(TASK, 1, repository.source, repository.head)
    await tree.lend_git(repository.head)
    assert git(tree.work, "cat-file", "-t", "HEAD~0") == "commit"
    for blob in secrets:
        assert repository.git("cat-file", "-t", blob) == "blob"
        with pytest.raises(subprocess.CalledProcessError):
            git(tree.work, "cat-file", "-e", blob)


def secret_objects(repository: UserRepository, how: str) -> str:
    """The id of a secret that is in the repository and in nothing that HEAD leads to."""
    head, name = repository.head, f"{how}.env"
    repository.write({name: f"KEY={how}\n"})
    repository.git("add", name)
    blob = repository.git("rev-parse", f":{name}")
    if how == "stash":
        repository.git("stash", "-q")
    elif how != "staged":
        repository.git("commit", "-q", "-m", "oops")
        if how == "branch":
            repository.git("branch", "other")
        repository.git("reset", "-q", "--hard", head)
    else:
        repository.git("rm", "-q", "--cached", name)
        (repository.path / name).unlink()
    return blob


async def test_a_commit_that_no_branch_leads_to_can_be_the_start(
    trees: GitTrees, repository: UserRepository
) -> None:
    """A detached HEAD, by which the work in progress may be known."""
    repository.git("checkout", "-q", "--detach")
    base = repository.commit({"a.txt": "detached\n"})
    assert await trees.resolve(repository.source) == base
    tree = await trees.open(TASK, 1, repository.source, base)
    assert (tree.work / "a.txt").read_text() == "detached\n"
