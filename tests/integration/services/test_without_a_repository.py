"""What is told of a task whose own repository is not there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.model.task import RepositorySource, TaskSummary, TaskView
from ai_orchestrator.services.changes import TaskChanges
from ai_orchestrator.workspace.trees import GitTrees

AT = datetime(2026, 3, 1, tzinfo=UTC)
COMMIT = "2" * 40


def view(state: TaskState, commit: str | None, *, is_applied: bool = False) -> TaskView:
    """A task that was accepted."""
    task = "t-00000000000000000000000000"
    summary = TaskSummary(task, "Do", state, "default", "/shop", AT, AT)
    return TaskView(
        summary, "Do", (), (), COMMIT, commit, branch="ai/00000000-do", is_applied=is_applied
    )


@pytest.mark.parametrize(
    ("of_task", "told"),
    [
        pytest.param(view(TaskState.RUNNING, None), "has no repository yet", id="not-begun"),
        pytest.param(
            view(TaskState.SUCCEEDED, COMMIT, is_applied=True),
            "removed by gc after the work was applied: it is on branch ai/00000000-do of /shop",
            id="applied",
        ),
        pytest.param(view(TaskState.SUCCEEDED, COMMIT), "and the work with it", id="not-applied"),
        pytest.param(view(TaskState.FAILED, None), "it changed nothing", id="nothing-to-lose"),
    ],
)
async def test_a_repository_that_is_gone_is_told_as_that(
    tmp_path: Path, of_task: TaskView, told: str
) -> None:
    """Nobody is told to wait for a task that has ended."""

    async def source_of(task_id: str) -> RepositorySource:
        del task_id
        return RepositorySource(path="/shop")

    trees = GitTrees(tmp_path, DirectSpawner(), path_env="/usr/bin:/bin")
    changes = TaskChanges(trees, tmp_path / "logs", source_of)
    with pytest.raises(NotFoundError) as caught:
        await changes.diff(of_task, None)
    assert told in str(caught.value)
    assert ("yet" in str(caught.value)) is not of_task.summary.state.is_final
    await trees.close()
