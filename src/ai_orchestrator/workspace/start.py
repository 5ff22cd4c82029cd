"""Makes a git repository of a folder of files: the demo's, which has to start from a commit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ai_orchestrator.base.process import Spawner
from ai_orchestrator.workspace.git import Call, Place
from ai_orchestrator.workspace.git_client import GitClient

BRANCH = "main"


async def make_repository(spawner: Spawner, directory: Path, path_env: str) -> str:
    """The first commit, which holds all files of the folder; `main` is checked out there."""
    git = GitClient(spawner, path_env=path_env)
    initialise = ("init", "--quiet", "--template=", f"--initial-branch={BRANCH}", str(directory))
    place = Place(None, is_ours=False)
    await git.expect(place, Call(initialise, cwd=directory.parent))
    place = replace(place, git_dir=directory / ".git", work_tree=directory)
    await git.expect(place, Call(("add", "--all"), cwd=directory))
    tree = await git.word(place, "write-tree")
    commit = await git.word(place, "commit-tree", tree, "-m", "Begin")
    await git.output(place, "update-ref", f"refs/heads/{BRANCH}", commit)
    return commit
