"""What an agent can leave in its tree to make our git run, lose or overwrite something."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    NEXT_REF,
    REF,
    TASK,
    Opened,
    UserRepository,
    arm,
    git,
    names,
    nested,
    trap_of,
    write,
)

from ai_orchestrator.workspace.repair import UnrecordableTreeError
from ai_orchestrator.workspace.trees import GitTrees


def as_file(tree: Path) -> None:
    """A file that points to the repository of somebody else."""
    shutil.rmtree(tree / ".git")
    (tree / ".git").write_text(f"gitdir: {tree.parents[3]}/user/.git\n")


def as_link(tree: Path) -> None:
    """A link to the user's repository."""
    shutil.rmtree(tree / ".git")
    (tree / ".git").symlink_to(tree.parents[3] / "user/.git")


def as_pipe(tree: Path) -> None:
    """Something on which reading never ends."""
    shutil.rmtree(tree / ".git")
    os.mkfifo(tree / ".git")


def as_other_repository(tree: Path) -> None:
    """A repository with hooks, filters and a file system monitor."""
    shutil.rmtree(tree / ".git")
    nested(tree)


def as_armed(tree: Path) -> None:
    """The lent repository, with the same."""
    arm(tree / ".git")
    write(tree, {".gitattributes": "* filter=evil diff=evil\n"})


def as_broken(tree: Path) -> None:
    """Alternates that lead anywhere, an index that is none, a worktree elsewhere."""
    (tree / ".git/objects/info/alternates").write_text("/proc/self/fd\n/nonexistent\n")
    (tree / ".git/index").write_bytes(b"DIRC")
    (tree / ".git/config").write_text("[core]\n\tworktree = /etc\n")


def as_missing(tree: Path) -> None:
    """No repository at all."""
    shutil.rmtree(tree / ".git")


@pytest.mark.parametrize(
    "replace",
    [as_file, as_link, as_pipe, as_other_repository, as_armed, as_broken, as_missing],
)
async def test_nothing_of_the_agents_git_matters_to_ours(
    opened: Opened, replace: Callable[[Path], None]
) -> None:
    """The tree is recorded, moved and lent a new `.git`; nothing runs, nothing else is written."""
    await opened.tree.lend_git(opened.base)
    replace(opened.tree.work)
    user = opened.repository.state()
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    await opened.tree.start_from(opened.base)
    await opened.tree.lend_git(made.commit)
    await opened.tree.patch(opened.base, made.commit, limit_bytes=1 << 20)
    assert "100644 a.txt" in opened.files(made.commit)
    assert git(opened.tree.work, "rev-parse", "HEAD") == made.commit
    assert not trap_of(opened.tree.work / ".git").exists()
    assert opened.repository.state() == user


def test_the_traps_of_these_tests_are_real(tmp_path: Path) -> None:
    """A git that trusts an armed repository falls into it."""
    tree = tmp_path / "tree"
    nested(tree)
    write(tree, {"x.txt": "x"})
    git(tree, "add", "x.txt")
    assert trap_of(tree / ".git").exists()


@pytest.mark.parametrize("with_commit", [True, False], ids=["with a commit", "without a commit"])
async def test_files_of_a_nested_repository_are_recorded_as_files(
    opened: Opened, *, with_commit: bool
) -> None:
    """Not as a bare reference to a commit that nobody has; deeper ones too."""
    write(opened.tree.work, {"lib/x.py": "x\n", "lib/deep/er/y.py": "y\n"})
    nested(opened.tree.work / "lib/deep/er")
    nested(opened.tree.work / "lib", with_commit=with_commit)
    made = await opened.tree.commit(REF, opened.base, "m")
    assert "100644 lib/x.py" in opened.files(made.commit)
    assert "100644 lib/deep/er/y.py" in opened.files(made.commit)
    assert not [entry for entry in opened.files(made.commit) if entry.startswith("160000")]
    assert not trap_of(opened.tree.work / "lib/.git").exists()
    assert await opened.tree.is_at(made.commit)


async def test_a_nested_repository_in_an_ignored_folder_is_left_alone(opened: Opened) -> None:
    """A package manager's clones are no concern of ours."""
    nested(opened.tree.work / "cache.ign")
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    assert (opened.tree.work / "cache.ign/.git").is_dir()
    assert made.files == 1


@pytest.fixture
async def with_submodule(trees: GitTrees, repository: UserRepository, tmp_path: Path) -> Opened:
    """A task on a repository with a submodule `libs/sub`."""
    other = UserRepository.make(tmp_path / "other")
    other.commit({"s.txt": "s\n"})
    allow = ("-c", "protocol.file.allow=always")
    repository.git(*allow, "submodule", "add", "-q", str(other.path), "libs/sub")
    repository.commit({})
    base = await trees.resolve(repository.source)
    return Opened(repository, trees, await trees.open(TASK, 1, repository.source, base), base)


async def test_a_repository_in_the_place_of_a_submodule_runs_nothing(
    with_submodule: Opened,
) -> None:
    """Git looks for changes in it by starting `git status` there, with the agent's filters."""
    tree = with_submodule.tree
    sub = tree.work / "libs/sub"
    assert names(sub) == []
    original = with_submodule.repository.path
    shutil.copytree(original / ".git/modules/libs/sub", sub / ".git")
    (sub / ".git/config").write_text("[core]\n\trepositoryFormatVersion = 0\n")
    git(sub, "checkout", "-q", "-f", "HEAD")
    arm(sub / ".git")
    write(sub, {".gitattributes": "* filter=evil\n", "s.txt": "S\n"})
    write(tree.work, {"a.txt": "two\n"})
    made = await tree.commit(REF, with_submodule.base, "m")
    assert not trap_of(sub / ".git").exists()
    assert made.files == 1
    assert await tree.is_at(made.commit)
    await tree.start_from(with_submodule.base)
    await tree.clean_checkout(made.commit)
    assert not trap_of(sub / ".git").exists()


async def test_stripping_repositories_follows_no_link_out_of_the_tree(
    with_submodule: Opened,
) -> None:
    """A link in the place of a submodule's parent would lead to a `.git` of the user."""
    tree, user = with_submodule.tree, with_submodule.repository
    (tree.work / "libs/sub").rmdir()
    (tree.work / "libs").rmdir()
    (tree.work / "libs").symlink_to(user.path / "libs")
    nested(tree.work / "n")
    before = user.state()
    await tree.commit(REF, with_submodule.base, "m")
    assert user.state() == before


async def test_a_submodule_stays_as_it_is(with_submodule: Opened) -> None:
    """Its commit is part of every tree, its files are not."""
    write(with_submodule.tree.work, {"libs/sub/inside.txt": "x", "a.txt": "two\n"})
    made = await with_submodule.tree.commit(REF, with_submodule.base, "m")
    assert any(entry == "160000 libs/sub" for entry in with_submodule.files(made.commit))
    assert made.files == 1


async def test_a_link_in_the_place_of_the_tree_leads_nobody_astray(opened: Opened) -> None:
    """Without a sandbox an agent can move its whole tree away."""
    user = opened.repository
    before = user.state()
    clean = await opened.tree.clean_checkout(opened.base)
    for tree in (opened.tree.work, clean):
        shutil.rmtree(tree)
        tree.symlink_to(user.path)
    with pytest.raises(UnrecordableTreeError, match="no longer the folder"):
        await opened.tree.commit(REF, opened.base, "m")
    with pytest.raises(UnrecordableTreeError, match="no longer the folder"):
        await opened.tree.lend_git(opened.base)
    assert not await opened.tree.is_at(opened.base)
    await opened.tree.clean_checkout(opened.base)
    assert not await opened.tree.start_from(opened.base)
    opened.tree.mark_ready()
    assert await opened.tree.start_from(opened.base)
    await opened.tree.lend_git(opened.base)
    assert user.state() == before
    assert await opened.tree.is_at(opened.base)


async def test_links_are_recorded_as_links_and_not_followed(opened: Opened) -> None:
    """Neither what they lead to is read, nor is it written when the tree moves on."""
    outside = opened.repository.path.parent / "outside"
    write(outside, {"b.py": "secret"})
    (opened.tree.work / "src/b.py").unlink()
    (opened.tree.work / "src").rmdir()
    (opened.tree.work / "src").symlink_to(outside)
    (opened.tree.work / "passwd").symlink_to("/etc/passwd")
    made = await opened.tree.commit(REF, opened.base, "m")
    assert {"120000 src", "120000 passwd"} <= set(opened.files(made.commit))
    assert await opened.tree.read_file(made.commit, "passwd") == b"/etc/passwd"
    assert await opened.tree.read_file(made.commit, "src/b.py") is None
    await opened.tree.start_from(opened.base)
    assert (opened.tree.work / "src/b.py").read_text() == "b = 1\n"
    assert (outside / "b.py").read_text() == "secret"


def _bind(server: socket.socket, directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    server.bind(f"/proc/self/fd/{handle}/sock")  # the path itself may be too long
    os.close(handle)


async def test_pipes_and_sockets_are_not_recorded_and_stop_nobody(opened: Opened) -> None:
    """A tracked file that became a pipe counts as deleted."""
    (opened.tree.work / "a.txt").unlink()
    os.mkfifo(opened.tree.work / "a.txt")
    os.mkfifo(opened.tree.work / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        _bind(server, opened.tree.work)
    write(opened.tree.work, {"new.txt": "x\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    assert opened.files(made.commit) == [
        "100644 .gitignore",
        "100644 new.txt",
        "100644 src/b.py",
    ]
    await opened.tree.start_from(opened.base)
    assert await opened.tree.is_at(opened.base)


async def test_a_nested_repository_made_of_pipes_is_survived(
    opened: Opened, impatient: GitTrees
) -> None:
    """Git would wait for ever for the HEAD of it."""
    tree = await impatient.open(TASK, 1, opened.repository.source, opened.base)
    nested(opened.tree.work / "n")
    (opened.tree.work / "n/.git/HEAD").unlink()
    os.mkfifo(opened.tree.work / "n/.git/HEAD")
    write(opened.tree.work, {"n/x.txt": "x"})
    made = await tree.commit(REF, opened.base, "m")
    assert "100644 n/x.txt" in opened.files(made.commit)
    assert await tree.is_at(made.commit)


async def test_a_name_that_git_refuses_is_an_error_that_names_it(opened: Opened) -> None:
    """Such a tree is not at any commit, and a new start mends it."""
    write(opened.tree.work, {"git~1": "x"})
    with pytest.raises(UnrecordableTreeError, match="git~1"):
        await opened.tree.commit(REF, opened.base, "m")
    assert await opened.tree.find(REF) is None
    assert not await opened.tree.is_at(opened.base)
    await opened.tree.start_from(opened.base)
    assert await opened.tree.is_at(opened.base)


async def test_an_encoding_that_does_not_exist_is_an_error(opened: Opened) -> None:
    """Attributes in the tree keep their meaning, also a wrong one."""
    write(opened.tree.work, {".gitattributes": "*.txt working-tree-encoding=NONE\n", "c.txt": "x"})
    with pytest.raises(UnrecordableTreeError, match="encod"):
        await opened.tree.commit(REF, opened.base, "m")
    await opened.tree.start_from(opened.base)
    assert await opened.tree.is_at(opened.base)


async def test_filters_of_attributes_do_not_run_and_pointers_stay_pointers(
    opened: Opened,
) -> None:
    """Nothing is configured, so nothing runs; a Git LFS pointer is a small text file."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n"
    write(opened.tree.work, {".gitattributes": "*.bin filter=lfs -text\n", "big.bin": pointer})
    made = await opened.tree.commit(REF, opened.base, "m")
    assert await opened.tree.read_file(made.commit, "big.bin") == pointer.encode()
    clean = await opened.tree.clean_checkout(made.commit)
    assert (clean / "big.bin").read_text() == pointer


async def test_line_ends_declared_by_attributes_are_no_trouble(opened: Opened) -> None:
    """Git would warn about each such file."""
    write(opened.tree.work, {".gitattributes": "* text=auto eol=crlf\n", "c.txt": "x\r\ny\r\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    assert await opened.tree.read_file(made.commit, "c.txt") == b"x\ny\n"
    assert await opened.tree.is_at(made.commit)


def _deep(tree: Path, levels: int) -> None:
    here = os.open(tree, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


async def test_folders_deeper_than_paths_can_be_are_an_error_and_removable(
    opened: Opened,
) -> None:
    """No tool that works with whole paths can even delete them."""
    _deep(opened.tree.work, 100)
    with pytest.raises(UnrecordableTreeError, match="deeper"):
        await opened.tree.commit(REF, opened.base, "m")
    await opened.tree.start_from(opened.base)
    assert await opened.tree.is_at(opened.base)
    opened.trees.trash.settle()
    assert names(opened.trees.layout.trash) == []


async def test_recording_goes_on_after_a_repair(opened: Opened) -> None:
    """The next step of a tree that was repaired is an ordinary one."""
    nested(opened.tree.work / "n")
    write(opened.tree.work, {"n/x.txt": "x"})
    first = await opened.tree.commit(REF, opened.base, "m")
    write(opened.tree.work, {"a.txt": "two\n"})
    second = await opened.tree.commit(NEXT_REF, first.commit, "m")
    assert (first.is_changed, second.files) == (True, 1)
