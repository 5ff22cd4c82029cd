"""Brings a task's result into a repository of this machine, from any server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ai_orchestrator.base.errors import BadInputError, ConflictError
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.backend import Backend
from ai_orchestrator.model.ids import final_ref
from ai_orchestrator.model.task import TaskView
from ai_orchestrator.services.attempts import attempts_named
from ai_orchestrator.workspace import apply as writing
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.new_repository import create

ApplyMode = Literal["branch", "merge", "new-directory"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to which repository."""

    repository: str
    commit: str
    branch: str
    is_merged: bool
    is_verified: bool


@dataclass(frozen=True, slots=True)
class Application:
    """One `apply`. `repository` None: the one the task started from."""

    backend: Backend
    task_id: str
    repository: Path | None
    mode: ApplyMode
    variables: Mapping[str, str]
    """The user's environment: a merge of theirs uses their identity."""
    attempt: int | None = None
    """The task attempt whose work is meant; None: the last one."""

    async def apply(self) -> Applied:
        """Applies, and tells the server. Raises `ConflictError`, changing nothing, if it cannot."""
        view = await asyncio.to_thread(self.backend.task, self.task_id, attempt=self.attempt)
        _require_work(view)
        target = self._target(view)
        with tempfile.TemporaryDirectory(prefix="ai-orchestrator-apply-") as directory:
            git = GitClient(
                DirectSpawner(),
                path_env=self.variables.get("PATH", ""),
                user_environment=dict(self.variables),
            )
            is_whole = self.mode == "new-directory" or await writing.has_no_history(git, target)
            result = await self._fetch(view, Path(directory) / "task.bundle", is_whole=is_whole)
            done = await self._write(git, target, result)
        await asyncio.to_thread(
            self.backend.mark_applied, view.summary.id, done.how, attempt=self.attempt
        )
        return Applied(
            repository=str(target),
            commit=done.commit,
            branch=done.branch,
            is_merged=done.how == "merge",
            is_verified=done.is_verified,
        )

    async def _write(self, git: GitClient, target: Path, result: writing.Result) -> writing.Applied:
        if self.mode == "new-directory":
            return await create(git, target, result)
        if self.mode == "merge":
            return await writing.merge(git, target, result)
        return await writing.to_branch(git, target, result)

    def _target(self, view: TaskView) -> Path:
        if self.repository is not None:
            return self.repository
        name = view.summary.repository
        if not name.startswith("/"):
            raise BadInputError(
                f"the task started from {name}, which is not on this machine.",
                hint="Name a repository by --repo PATH.",
            )
        if not Path(name).is_dir():
            raise BadInputError(
                f"{name}, from where the task started, is not there any more.",
                hint="Name another repository by --repo PATH, or make a new one by --output DIR.",
            )
        return Path(name)

    async def _fetch(self, view: TaskView, bundle: Path, *, is_whole: bool) -> writing.Result:
        base, commit = _require_work(view)
        await asyncio.to_thread(self._save, view.summary.id, bundle, is_whole=is_whole)
        return writing.Result(
            task_id=view.summary.id,
            title=view.summary.title,
            bundle=bundle,
            ref=final_ref(view.summary.id, view.summary.task_attempt),
            base=base,
            commit=commit,
            verified_tree=view.verified_tree,
        )

    def _save(self, task_id: str, bundle: Path, *, is_whole: bool) -> None:
        with bundle.open("wb") as file:
            for chunk in self.backend.bundle(task_id, attempt=self.attempt, is_whole=is_whole):
                file.write(chunk)


def _require_work(view: TaskView) -> tuple[str, str]:
    """Base and final commit. Raises `ConflictError` where there is nothing to bring."""
    if view.final_commit is None or view.base_commit is None:
        raise ConflictError(
            f"task {view.summary.id}: has no work to apply ({view.summary.state}).",
            hint=attempts_named(view) or "`tasks show` says why.",
        )
    return view.base_commit, view.final_commit
