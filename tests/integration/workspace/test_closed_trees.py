"""Files that an agent closed to their owner, as a user to whom that makes a difference."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import REF, TASK, Opened, UserRepository, names, write

from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.workspace.trees import GitTrees

NOBODY = 65534


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of a user without special rights, who is who we are inside."""
    root = Path(tempfile.mkdtemp(prefix="aio-closed-"))
    if os.geteuid() != 0:
        yield root
        shutil.rmtree(root)
        return
    os.chown(root, NOBODY, NOBODY)
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)  # the way back is kept, but no child inherits it
    try:
        yield root
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        shutil.rmtree(root)


@pytest.fixture
async def opened(ordinary_user: Path, path_env: str) -> AsyncIterator[Opened]:
    """A task of that user."""
    repository = UserRepository.make(ordinary_user / "user")
    repository.commit({"a.txt": "one\n", "src/b.py": "b = 1\n"})
    trees = GitTrees(ordinary_user / "data", DirectSpawner(), path_env=path_env)
    base = await trees.resolve(repository.source)
    yield Opened(repository, trees, await trees.open(TASK, 1, repository.source, base), base)
    trees.trash.settle()
    await trees.close()


def close(tree: Path) -> None:
    """Folders that cannot be entered, read or written, and a file that cannot be read."""
    write(tree, {"shut/inside.txt": "x\n", "half/deep/y.txt": "y\n", "file.txt": "z\n"})
    (tree / "file.txt").chmod(0)
    (tree / "shut").chmod(0)
    (tree / "half/deep").chmod(0o100)
    (tree / "src/b.py").unlink()
    (tree / "src").chmod(0o500)


async def test_closed_files_are_recorded(opened: Opened) -> None:
    """What the agent made is there, whoever may read it."""
    close(opened.tree.work)
    made = await opened.tree.commit(REF, opened.base, "m")
    assert opened.files(made.commit) == [
        "100644 a.txt",
        "100644 file.txt",
        "100644 half/deep/y.txt",
        "100644 shut/inside.txt",
    ]


async def test_a_closed_tree_can_be_started_from_anything(opened: Opened) -> None:
    """Nothing of the closed folders is left."""
    close(opened.tree.work)
    opened.tree.work.chmod(0o500)
    await opened.tree.start_from(opened.base)
    assert names(opened.tree.work) == ["a.txt", "src"]
    assert names(opened.tree.work / "src") == ["b.py"]


async def test_a_closed_git_folder_is_replaced(opened: Opened) -> None:
    """The agent's own repository may be shut as well, and the top too."""
    await opened.tree.lend_git(opened.base)
    (opened.tree.work / ".git/objects").chmod(0)
    (opened.tree.work / ".git").chmod(0)
    opened.tree.work.chmod(0o500)
    await opened.tree.lend_git(opened.base)
    assert (opened.tree.work / ".git/HEAD").read_text() == "ref: refs/heads/work\n"
    opened.trees.trash.settle()


async def test_a_closed_clean_tree_is_clean_again(opened: Opened) -> None:
    """Verifiers run what agents wrote."""
    clean = await opened.tree.clean_checkout(opened.base)
    close(clean)
    assert names(await opened.tree.clean_checkout(opened.base)) == ["a.txt", "src"]
    assert names(clean / "src") == ["b.py"]


async def test_closed_homes_are_removed(opened: Opened) -> None:
    """Caches are often written read-only."""
    paths = opened.tree.attempt_paths("k", role="r", agent="a", account=None)
    write(paths.home, {"go/pkg/mod/x": "x"})
    (paths.home / "go/pkg/mod").chmod(0o500)
    paths.home.chmod(0)
    opened.tree.discard_attempt("k")
    opened.trees.trash.settle()
    assert names(opened.trees.layout.trash) == []
