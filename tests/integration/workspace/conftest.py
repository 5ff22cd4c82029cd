from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import ENVIRONMENT, TASK, Opened, UserRepository

from ai_orchestrator.base.process import DirectSpawner, GuardedSpawner
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.source import RemotePolicy
from ai_orchestrator.workspace.trees import GitTrees, Reach, TreeSettings


@pytest.fixture
def path_env() -> str:
    """The PATH on which git is found."""
    return os.environ["PATH"]


@pytest.fixture
async def trees(tmp_path: Path, path_env: str) -> AsyncIterator[GitTrees]:
    """Trees in an empty data directory; `file://` is allowed."""
    reach = Reach(RemotePolicy(allow_file=True))
    trees = GitTrees(tmp_path / "data", DirectSpawner(), path_env=path_env, reach=reach)
    yield trees
    trees.trash.settle()
    await trees.close()


@pytest.fixture
async def guarded_trees(tmp_path: Path, path_env: str) -> AsyncIterator[GitTrees]:
    """The same as a runner has them: under a guardian, with a shell that waits."""
    settings = TreeSettings(has_standing_shells=True)
    with GuardedSpawner(lease_s=60) as spawner:
        trees = GitTrees(tmp_path / "data", spawner, path_env=path_env, settings=settings)
        yield trees
        trees.trash.settle()
        await trees.close()


@pytest.fixture
async def impatient(tmp_path: Path, path_env: str) -> AsyncIterator[GitTrees]:
    """The same, which soon takes a git for hung."""
    settings = TreeSettings(hang_s=1.0)
    trees = GitTrees(tmp_path / "data", DirectSpawner(), path_env=path_env, settings=settings)
    yield trees
    await trees.close()


@pytest.fixture
def user_git(path_env: str) -> GitClient:
    """Git as the command line runs it in the user's repository."""
    return GitClient(DirectSpawner(), path_env=path_env, user_environment=ENVIRONMENT)


@pytest.fixture
def repository(tmp_path: Path) -> UserRepository:
    """A user's repository with two files, one in a folder, and one ignored pattern."""
    repository = UserRepository.make(tmp_path / "user")
    repository.commit({"a.txt": "one\n", "src/b.py": "b = 1\n", ".gitignore": "*.ign\n"})
    return repository


@pytest.fixture
async def opened(trees: GitTrees, repository: UserRepository) -> Opened:
    """A task on that repository, its tree made."""
    base = await trees.resolve(repository.source)
    return Opened(repository, trees, await trees.open(TASK, 1, repository.source, base), base)
