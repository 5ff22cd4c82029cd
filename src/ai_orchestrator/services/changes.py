"""What a task changed, for looking at and for taking along: diff, patch, bundle, logs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.model.ids import StepKey, applied_ref, final_ref, verified_ref
from ai_orchestrator.model.step_names import step_name, step_names
from ai_orchestrator.model.task import Diff, RepositorySource, StepView, TaskView
from ai_orchestrator.services.attempts import attempts_named
from ai_orchestrator.services.steps import asked_steps
from ai_orchestrator.workspace.task_tree import GitTaskTree
from ai_orchestrator.workspace.trees import GitTrees

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class TaskChanges:
    """Reads the task's own repository; no tree is made for it."""

    trees: GitTrees
    logs_directory: Path
    source_of: Callable[[str], Coroutine[Any, Any, RepositorySource]]
    """The source that a task was accepted with."""

    async def diff(self, view: TaskView, step: str | None) -> Diff:
        """Changed files and stat."""
        tree = await self._tree(view)
        return await tree.diff(*await _between(tree, view, step))

    async def patch(self, view: TaskView, step: str | None) -> AsyncIterator[bytes]:
        """The change as a patch that `git apply` takes."""
        tree = await self._tree(view)
        pair = await _between(tree, view, step)
        return await _made(tree, lambda target: tree.write_patch(*pair, target))

    async def bundle(self, view: TaskView, *, is_whole: bool) -> AsyncIterator[bytes]:
        """A git bundle of the final commit, from what the source has on, or of all its history.

        An attempt that was broken off gets its final ref here: somebody takes its work as an end.
        """
        if view.final_commit is None:
            raise NotFoundError(
                f"task {view.summary.id}: has no final commit ({view.summary.state}).",
                hint=attempts_named(view)
                or "There is one once the task has ended and changed something.",
            )
        tree = await self._tree(view)
        ref = final_ref(view.summary.id, view.summary.task_attempt)
        if await tree.find(ref) is None:
            await tree.point(ref, view.final_commit)
        return await _made(tree, lambda target: tree.bundle(ref, target, is_whole=is_whole))

    async def note_applied(self, view: TaskView) -> None:
        """The attempt's repository knows that its work was taken; one that is gone need not."""
        tree = await self._tree_or_none(view)
        if tree is not None and view.final_commit is not None:
            ref = applied_ref(view.summary.id, view.summary.task_attempt)
            await tree.point(ref, view.final_commit)

    async def note_end(self, view: TaskView) -> None:
        """The attempt's repository knows what the row is about to forget of it."""
        if view.is_applied:
            await self.note_applied(view)
        tree = await self._tree_or_none(view)
        if tree is not None and view.verified_tree is not None:
            ref = verified_ref(view.summary.id, view.summary.task_attempt)
            await tree.point(ref, view.verified_tree)

    async def logs(self, view: TaskView, step: str | None) -> AsyncIterator[bytes]:
        """The raw output of the agents, each under a line that names its execution."""
        paths = {
            step_name(one.step, one.iteration, one.attempt): log_file(
                self.logs_directory, _key(view, one)
            )
            for one in asked_steps(view, step)
        }
        wanted = await asyncio.to_thread(
            lambda: {name: path for name, path in paths.items() if path.is_file()}
        )
        if not wanted:
            raise NotFoundError(
                f"task {view.summary.id}: has no agent output{_of(step)}{_yet(view)}."
            )
        return _files(wanted)

    async def _tree(self, view: TaskView) -> GitTaskTree:
        tree = await self._tree_or_none(view)
        if tree is None:
            raise NotFoundError(_without_repository(view), hint=attempts_named(view))
        return tree

    async def _tree_or_none(self, view: TaskView) -> GitTaskTree | None:
        source = await self.source_of(view.summary.id)
        return await self.trees.find(view.summary.id, view.summary.task_attempt, source)


def log_directory(logs: Path, task_id: str, task_attempt: int) -> Path:
    """Where the raw output of a task attempt lies."""
    return logs / task_id / f"a{task_attempt}"


def log_file(logs: Path, key: StepKey) -> Path:
    """The file for the raw output of one execution of a step."""
    name = f"{key.step.replace('/', '.')}.i{key.iteration}.a{key.attempt}.log"
    return log_directory(logs, key.task, key.task_attempt) / name


async def _between(tree: GitTaskTree, view: TaskView, step: str | None) -> tuple[str, str]:
    """The two commits that a change lies between: of the task, or of one step."""
    commits = [one.commit for one in asked_steps(view, step) if one.commit is not None]
    last = commits[-1] if commits else None
    if step is None:
        last = view.final_commit or last
    if view.base_commit is None or last is None:
        known = ", ".join(step_names(one for one in view.steps if one.commit))
        raise NotFoundError(
            f"task {view.summary.id}: no change{_of(step)}{_yet(view)}.",
            hint=f"Steps with a commit: {known}." if known else attempts_named(view),
        )
    if step is None:
        return view.base_commit, last
    return await tree.parent(last) or view.base_commit, last


def _without_repository(view: TaskView) -> str:
    summary = view.summary
    told = f"task {summary.id}: "
    if not summary.state.is_final:
        return f"{told}has no repository yet ({summary.state})."
    if view.is_applied:
        return (
            f"{told}its repository was removed by gc after the work was applied: it is on branch "
            f"{view.branch} of {summary.repository}, unless it was merged or brought elsewhere."
        )
    if view.final_commit is not None:
        return f"{told}its repository was removed, and the work with it."
    return f"{told}has no repository: it changed nothing ({summary.state})."


def _of(step: str | None) -> str:
    return "" if step is None else f" of step {step!r}"


def _yet(view: TaskView) -> str:
    return "" if view.summary.state.is_final else " yet"


def _key(view: TaskView, one: StepView) -> StepKey:
    summary = view.summary
    return StepKey(summary.id, summary.task_attempt, one.step, one.iteration, one.attempt)


async def _made(
    tree: GitTaskTree, make: Callable[[Path], Coroutine[Any, Any, None]]
) -> AsyncIterator[bytes]:
    """What git writes into a file, whole and of any size, however slowly it is read.

    The file has no name any more when its first chunk is asked for: nobody has to remove it.
    """
    with tempfile.TemporaryDirectory(dir=tree.repository.parent) as directory:
        target = Path(directory) / "made"
        await make(target)
        file = target.open("rb")  # opening is quick; the reading is not done here
    return _read(file)


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


async def _files(paths: Mapping[str, Path]) -> AsyncIterator[bytes]:
    for name, path in paths.items():
        yield f"==> {name} <==\n".encode()
        async for chunk in _read(path.open("rb")):
            yield chunk
        yield b"\n"
