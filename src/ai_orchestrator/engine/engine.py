"""The durable engine as the rest of the program sees it: accept, cancel, drain.

Only this package imports `dbos`. One engine per process (the library's registry is process-wide).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from ai_orchestrator.engine.adoption import Adoption, Unfinished, living, plan_adoption, take_over
from ai_orchestrator.engine.context import Clean, DrainGate, EngineContext, keep_as_is
from ai_orchestrator.engine.dispatch import Dispatcher
from ai_orchestrator.engine.journal import JournalObserver
from ai_orchestrator.engine.library_log import quieten
from ai_orchestrator.engine.serializer import JsonSerializer

APP_NAME = "ai-orchestrator"
QUEUE = "tasks"
WORKFLOW = "run_task"

RunTask = Callable[[EngineContext, str, int], Awaitable[None]]
"""The durable function: context, task id, task attempt."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Who this process is and how much it runs at a time."""

    release: str
    epoch: int
    executor_id: str = "local"
    max_tasks: int = 4
    """Tasks that run at the same time in this process."""
    clean: Clean = keep_as_is
    """Applied to every value and error before it is journaled."""


class Engine:
    """Runs task workflows durably on one database."""

    def __init__(
        self,
        database: sa.Engine,
        settings: EngineSettings,
        run_task: RunTask,
        observe: JournalObserver,
    ) -> None:
        self._database = database
        self._settings = settings
        self._observe = observe
        self._gate = DrainGate()
        self._run_task = run_task
        self._is_claiming = True
        self._dispatcher: Dispatcher | None = None
        self._client: DBOSClient | None = None
        self._running: set[str] = set()

    def launch(self, unfinished: Sequence[Unfinished]) -> tuple[Adoption, ...]:
        """Starts the engine and takes up what was unfinished; what was decided, per workflow.

        Blocks for the library's start (migrations on a new database); not for an event loop.
        """
        quieten()
        dbos = self._configure()
        DBOS.listen_queues([])  # our dispatcher claims, see dispatch.py
        adoptions = plan_adoption(
            unfinished,
            self._living(unfinished),
            release=self._settings.release,
            epoch=self._settings.epoch,
        )
        self._take_over([a for a in adoptions if a.action == "take-over"])
        DBOS.launch()
        queue = DBOS.register_queue(
            QUEUE, worker_concurrency=self._settings.max_tasks, on_conflict="always_update"
        )
        self._client = DBOSClient(
            system_database_engine=self._database,
            serializer=JsonSerializer(),
            application_name=APP_NAME,
        )
        self._begin_anew([a for a in adoptions if a.action == "begin-anew"])
        self._dispatcher = Dispatcher(dbos, queue, lambda: self._is_claiming)
        self._dispatcher.start()
        self._dispatcher.wake()
        return adoptions

    def _configure(self) -> DBOS:
        dbos = DBOS(
            config={
                "name": APP_NAME,
                "system_database_engine": self._database,
                "system_database_url": "sqlite:///unused" if self._is_sqlite else None,
                "application_version": self._settings.release,
                "executor_id": self._settings.executor_id,
                "serializer": JsonSerializer(),
                "log_level": "ERROR",
                "notification_listener_polling_interval_sec": 1.0,
            }
        )
        DBOS.workflow(name=WORKFLOW)(self._workflow())
        return dbos

    @property
    def _is_sqlite(self) -> bool:
        return self._database.dialect.name == "sqlite"

    def _workflow(self) -> Callable[[str, int, str], Awaitable[None]]:
        async def run_task(task_id: str, task_attempt: int, workflow_id: str) -> None:
            context = EngineContext(workflow_id, self._gate, self._observe, self._settings.clean)
            await self._gate.pass_through(workflow_id)
            self._observe("started", workflow_id, "")
            self._running.add(workflow_id)
            try:
                await self._run_task(context, task_id, task_attempt)
            finally:
                self._running.discard(workflow_id)
            self._observe("ended", workflow_id, "")

        return run_task

    def _living(self, unfinished: Sequence[Unfinished]) -> frozenset[str]:
        with self._database.begin() as connection:
            return living(connection, [one.workflow_id for one in unfinished])

    def _take_over(self, adoptions: Sequence[Adoption]) -> None:
        with self._database.begin() as connection:
            take_over(
                connection, [a.unfinished.workflow_id for a in adoptions], self._settings.release
            )

    def _begin_anew(self, adoptions: Sequence[Adoption]) -> None:
        for adoption in adoptions:
            one = adoption.unfinished
            DBOS.delete_workflow(one.workflow_id)
            with self._database.begin() as connection:
                self.enqueue(connection, one.workflow_id, one.task_id, one.task_attempt)

    def enqueue(
        self, connection: sa.Connection, workflow_id: str, task_id: str, task_attempt: int
    ) -> None:
        """Queues a workflow inside the caller's transaction; a known id changes nothing.

        Call `wake` after the commit.
        """
        self._launched_client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": workflow_id,
                "app_version": self._settings.release,
            },
            task_id,
            task_attempt,
            workflow_id,
        )
        self._observe("enqueued", workflow_id, "")

    @property
    def _launched_client(self) -> DBOSClient:
        if self._client is None:
            raise RuntimeError("the engine was not launched")
        return self._client

    def wake(self) -> None:
        """Claims queued work at once instead of at the next poll."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def cancel(self, workflow_id: str) -> None:
        """Cancels; a running preemptible step is interrupted within about a second."""
        DBOS.cancel_workflow(workflow_id)

    def delete(self, workflow_id: str) -> None:
        """Removes a workflow's rows; an unknown id changes nothing."""
        DBOS.delete_workflow(workflow_id)

    @property
    def running(self) -> frozenset[str]:
        """Ids of the workflows that run in this process now, those parked by a drain left out."""
        return frozenset(self._running) - self._gate.parked

    def begin_drain(self) -> None:
        """Claims nothing more and parks every workflow at its next step."""
        self._is_claiming = False
        self._gate.close()

    def close(self) -> None:
        """Stops claiming, and records nothing more of the steps that run.

        The process is expected to end soon after.

        The library's own shutdown takes 0.8-1.0 s and would only wait for threads that end with
        the process; everything durable is in the database by now.
        """
        self._is_claiming = False
        self._gate.abandon()
        if self._dispatcher is not None:
            self._dispatcher.stop()
