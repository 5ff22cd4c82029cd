"""All that the command line and the shell see of the system: local or remote, the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from ai_orchestrator.model.events import Event
from ai_orchestrator.model.task import (
    Diff,
    GarbageReport,
    ServerInfo,
    TaskRequest,
    TaskSummary,
    TaskView,
)


class Backend(Protocol):
    """Synchronous: a command does one thing and waits for it.

    Every method raises `OrchestratorError`s as the server states them, `UnreachableError` when no
    server answers. Task ids may be short where they are unique.
    """

    def info(self) -> ServerInfo:
        """Who answers."""
        ...

    def submit(self, request: TaskRequest) -> TaskView:
        """The accepted task. With an idempotency key a repeat gives the same task."""
        ...

    def tasks(self, *, limit: int = 50) -> list[TaskSummary]:
        """Tasks, newest first."""
        ...

    def task(self, task_id: str, *, attempt: int | None = None) -> TaskView:
        """One task, or as one of its attempts left it. Raises `NotFoundError`."""
        ...

    def events(self, task_id: str, *, after_seq: int = 0, follow: bool = False) -> Iterator[Event]:
        """Events by rising seq; with `follow` on until the task is final or waits."""
        ...

    def diff(self, task_id: str, *, step: str | None = None, attempt: int | None = None) -> Diff:
        """What the task, or one step of it, changed; `attempt` None: in its last attempt."""
        ...

    def patch(
        self, task_id: str, *, step: str | None = None, attempt: int | None = None
    ) -> Iterator[bytes]:
        """The change as a patch (`git diff --binary`), in chunks."""
        ...

    def bundle(
        self, task_id: str, *, attempt: int | None = None, is_whole: bool = False
    ) -> Iterator[bytes]:
        """A git bundle with the final commit, in chunks: from the base on, or the whole history."""
        ...

    def mark_applied(self, task_id: str, how: str, *, attempt: int | None = None) -> None:
        """Records that the work reached its repository, so that `gc` may remove it."""
        ...

    def logs(self, task_id: str, *, step: str | None = None) -> Iterator[bytes]:
        """The raw output of the agents, redacted, in chunks."""
        ...

    def cancel(self, task_id: str) -> TaskView:
        """The task, cancelling or already final."""
        ...

    def retry(self, task_id: str, *, credentials: Mapping[str, str] | None = None) -> TaskView:
        """The task with its next task attempt queued. Raises `ConflictError` while it runs.

        The credentials of the last attempt were deleted at its end, so they are sent anew.
        """
        ...

    def delete(self, task_id: str, *, force: bool = False) -> None:
        """Removes a task that is final; work not yet applied needs `force`."""
        ...

    def gc(self, *, dry_run: bool, force: bool) -> GarbageReport:
        """Removes what is no longer needed."""
        ...

    def close(self) -> None:
        """Ends the connection; the tasks go on."""
        ...
