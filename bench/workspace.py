"""How long the steps of a task take in a tree, at 10 and at 20,000 files.

python bench/workspace.py [--files N ...] [--guarded]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from ai_orchestrator.base.process import DirectSpawner, GuardedSpawner
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.workspace.task_tree import GitTaskTree
from ai_orchestrator.workspace.trees import GitTrees

TASK = "t-01arz3ndektsv4rrffq69g5fav"
ROUNDS = 15


def make_repository(path: Path, files: int) -> None:
    """A repository with so many small files, 50 to a folder."""
    for number in range(files):
        folder = path / f"d{number // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.py").write_text(f"x = {number}\n" * 20)
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x"), ("gc", "-q")):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0")
        subprocess.run(["git", *who, *arguments], cwd=path, check=True, capture_output=True)


async def timed(name: str, call: Callable[[], Awaitable[object]]) -> object:
    """The call's result; its time goes to standard output."""
    began_s = time.perf_counter()
    result = await call()
    print(f"  {name:<28} {(time.perf_counter() - began_s) * 1000:8.1f} ms")
    return result


async def steps(trees: GitTrees, tree: GitTaskTree, commit: str) -> dict[str, list[float]]:
    """Times in ms of what happens at each step, over several steps."""
    times: dict[str, list[float]] = {}

    async def lap(name: str, call: Awaitable[object]) -> object:
        began_s = time.perf_counter()
        result = await call
        times.setdefault(name, []).append((time.perf_counter() - began_s) * 1000)
        return result

    for number in range(ROUNDS):
        ref = f"refs/ai-orchestrator/{TASK}/a1/s{number}/i1/a1"
        await lap("start_from, unchanged", tree.start_from(commit))
        await lap("lend_git", tree.lend_git(commit))
        await asyncio.to_thread(trees.trash.settle)  # an agent's run lies between these in life
        with (tree.work / "d0/f0.py").open("a") as file:
            file.write(f"y = {number}\n")
        (tree.work / f"d0/new{number}.py").write_text("z\n")
        made = await lap("commit, 2 files", tree.commit(ref, commit, "step\n"))
        commit = getattr(made, "commit", commit)
        await lap("is_at", tree.is_at(commit))
        await lap("commit, nothing changed", tree.commit(f"{ref}x", commit, "step\n"))
        await lap("find", tree.find(ref, commit))
        await lap("clean_checkout", tree.clean_checkout(commit))
        await lap("diff", tree.diff(tree.base, commit))
    return times


async def measure(files: int, *, guarded: bool) -> None:
    """One repository from resolve to its last step."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_repository(root / "user", files)
        source = RepositorySource(path=str(root / "user"))
        spawner = GuardedSpawner() if guarded else DirectSpawner()
        trees = GitTrees(root / "data", spawner, path_env=os.environ["PATH"])
        print(f"{files} files")
        base = str(await timed("resolve, first", lambda: trees.resolve(source)))
        await timed("resolve, again", lambda: trees.resolve(source))
        await timed("open, first", lambda: trees.open(TASK, 1, source, base))
        tree = await trees.open(TASK, 1, source, base)
        await timed("open, again", lambda: trees.open(TASK, 1, source, base))
        await timed("clean_checkout, first", lambda: tree.clean_checkout(base))
        for what, values in (await steps(trees, tree, base)).items():
            print(f"  {what:<28} {statistics.median(values):8.1f} ms (least {min(values):.1f})")
        await timed("release", lambda: trees.release(tree))
        await timed("open, from the pool", lambda: trees.open(TASK, 2, source, base))
        await trees.close()
        if isinstance(spawner, GuardedSpawner):
            spawner.close()


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, nargs="+", default=[10, 20_000])
    parser.add_argument("--guarded", action="store_true")
    arguments = parser.parse_args()
    for files in arguments.files:
        asyncio.run(measure(files, guarded=arguments.guarded))


if __name__ == "__main__":
    main()
