"""The tree as an agent sees it: in a sandbox, under another path, started by a guardian."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import KEY, NEXT_REF, REF, TASK, UserRepository, write

from ai_orchestrator.base.process import Command, GuardedSpawner, run
from ai_orchestrator.workspace.trees import GitTrees

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

SCRIPT = """
set -e
git status --porcelain --branch
git log --format=%s
echo mine > agent.txt
git add -A
git commit -q -m mine
git status --porcelain
for objects in $OBJECTS; do
  if touch "$objects/x" 2> /dev/null; then echo "written: $objects"; fi
done
"""


def sandboxed(work: Path, read_only: tuple[Path, ...]) -> Command:
    """A shell with the tree at /work and what it borrows at its own place."""
    shown = [part for path in read_only for part in ("--ro-bind", str(path), str(path))]
    system = [part for path in ("/usr", "/bin", "/lib", "/lib64") for part in _shown(path)]
    bind = ("--bind", str(work), "/work", "--dev", "/dev", "--proc", "/proc", "--chdir", "/work")
    unshare = ("--unshare-user", "--unshare-pid", "--uid", "1000", "--gid", "1000")
    return Command(
        argv=("bwrap", *unshare, *system, *shown, *bind, "/bin/sh", "-c", SCRIPT),
        cwd=Path("/"),
        env={"PATH": "/usr/bin:/bin", "HOME": "/", "OBJECTS": " ".join(map(str, read_only))},
        tree="agent",
    )


def _shown(path: str) -> tuple[str, ...]:
    return ("--ro-bind", path, path) if Path(path).exists() else ()


async def test_an_agents_git_works_in_the_sandbox(
    tmp_path: Path, repository: UserRepository, path_env: str
) -> None:
    """Another path and another user number; all objects there, none to be written."""
    spawner = GuardedSpawner()
    trees = GitTrees(tmp_path / "data", spawner, path_env=path_env)
    base = await trees.resolve(repository.source)
    tree = await trees.open(TASK, 1, repository.source, base)
    write(tree.work, {"a.txt": "two\n"})
    made = await tree.commit(REF, base, "Step one")
    await tree.lend_git(made.commit)
    paths = tree.attempt_paths(KEY, role="r", agent="a", account=None)
    command = sandboxed(paths.work, paths.read_only)
    done = await run(spawner, command, timeout_s=60, limit_bytes=10_000)
    assert done.stdout.decode().splitlines() == ["## work", "Step one", "Change"]
    assert done.exit.is_success, done.stderr
    second = await tree.commit(NEXT_REF, made.commit, "Step two")
    assert second.files == 1
    await trees.close()
    await asyncio.to_thread(spawner.close)
