"""What git never looks at in a tree: a `.git` beside tracked files, and submodules' folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    NEXT_REF,
    OTHER_TASK,
    REF,
    TASK,
    Opened,
    UserRepository,
    arm,
    names,
    nested,
    trap_of,
    write,
)

from ai_orchestrator.workspace.trees import GitTrees

SOME_COMMIT = "50e4df2ce46b52be572ea33e03fcb3a4ecf02e9f"


@pytest.fixture
async def opened(trees: GitTrees, repository: UserRepository) -> Opened:
    """A task on a repository with a folder of tracked files and two submodules."""
    for path in ("mod", "libs/mod"):
        (repository.path / path).mkdir(parents=True)
        repository.git("update-index", "--add", "--cacheinfo", f"160000,{SOME_COMMIT},{path}")
    repository.git("commit", "-q", "-m", "Submodules")
    base = await trees.resolve(repository.source)
    return Opened(repository, trees, await trees.open(TASK, 1, repository.source, base), base)


def git_folder(tree: Path) -> None:
    """A repository beside tracked files, armed."""
    nested(tree / "src")
    (tree / "src/.gitattributes").unlink()


def git_file(tree: Path) -> None:
    """The same as a file that leads elsewhere."""
    write(tree, {"src/.git": "gitdir: /tmp\n"})


def git_link(tree: Path) -> None:
    """The same as a link."""
    (tree / "src/.git").symlink_to("/tmp")


def submodule_files(tree: Path) -> None:
    """Files in the folders of submodules, one of them closed."""
    write(tree, {"mod/deep/secret": "x", "libs/mod/secret": "x"})
    (tree / "mod/deep").chmod(0)
    (tree / "mod").chmod(0)


def submodule_link(tree: Path) -> None:
    """A link in the place of a submodule's folder."""
    (tree / "mod").rmdir()
    (tree / "mod").symlink_to("/etc")


def submodule_parent_link(tree: Path) -> None:
    """A link in the place of the folder above."""
    (tree / "libs/mod").rmdir()
    (tree / "libs").rmdir()
    (tree / "libs").symlink_to(tree.parents[3] / "outside")
    write(tree.parents[3] / "outside", {"mod/kept": "x", ".git/kept": "x"})


HIDING = [
    git_folder,
    git_file,
    git_link,
    submodule_files,
    submodule_link,
    submodule_parent_link,
]


def everything(tree: Path) -> list[str]:
    """All paths below a tree, without the agent's own `.git`."""
    found = [
        str((Path(folder) / name).relative_to(tree))
        for folder, folders, files in os.walk(tree)
        for name in (*folders, *files)
    ]
    return sorted(path for path in found if path.split("/")[0] != ".git")


FRESH = [".gitignore", "a.txt", "libs", "libs/mod", "mod", "src", "src/b.py"]


@pytest.mark.parametrize("hide", HIDING)
async def test_no_other_task_finds_what_an_agent_hid(
    opened: Opened, hide: Callable[[Path], None]
) -> None:
    """Neither in the pool nor in the tree that is made from it."""
    hide(opened.tree.work)
    await opened.trees.release(opened.tree)
    pool = opened.trees.layout.mirror(opened.repository.source).with_suffix(".pool")
    pooled = next(pool.iterdir()) / "tree"
    assert set(everything(pooled)) <= set(FRESH)
    assert names(pooled / "src") == ["b.py"]
    tree = await opened.trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    assert everything(tree.work) == FRESH
    assert not (tree.work / "mod").is_symlink()
    assert names(tree.work / "mod") == []


@pytest.mark.parametrize("hide", HIDING)
async def test_no_verifier_finds_what_an_earlier_one_hid(
    opened: Opened, hide: Callable[[Path], None]
) -> None:
    """The next clean checkout is what it says."""
    hide(await opened.tree.clean_checkout(opened.base))
    clean = await opened.tree.clean_checkout(opened.base)
    assert set(everything(clean)) <= set(FRESH)
    assert names(clean / "src") == ["b.py"]
    assert not (clean / "mod").is_symlink()
    assert names(clean / "mod") == []


async def test_removing_what_is_hidden_follows_no_link(opened: Opened) -> None:
    """What a link leads to stays as it is."""
    clean = await opened.tree.clean_checkout(opened.base)
    submodule_parent_link(clean)
    await opened.tree.clean_checkout(opened.base)
    outside = clean.parents[3] / "outside"
    assert everything(outside / "mod") == ["kept"]
    assert names(outside / ".git") == ["kept"]


async def test_files_beside_a_hidden_repository_are_recorded(opened: Opened) -> None:
    """Changed and new ones, in two rounds; nothing of the repository runs."""
    work = opened.tree.work
    write(work, {"src/new.py": "1\n"})
    git_folder(work)
    arm(work / "src/.git")
    write(work, {"src/b.py": "b = 2\n", "src/deep/new.py": "2\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    await opened.tree.start_from(made.commit)
    write(work, {"src/b.py": "b = 3\n", "src/late.py": "3\n"})
    (work / "src/new.py").unlink()
    later = await opened.tree.commit(NEXT_REF, made.commit, "m")
    assert (made.files, later.files) == (3, 3)
    assert not trap_of(work / "src/.git").exists()
