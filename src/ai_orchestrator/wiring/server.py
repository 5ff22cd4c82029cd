"""Puts a server together on a data directory: store, engine, agents, workspace, API."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import sqlalchemy as sa

from ai_orchestrator import __version__
from ai_orchestrator.agents.host import ProcessAgentHost
from ai_orchestrator.agents.raw_log import LogKeeping
from ai_orchestrator.agents.vendor_home import ACCOUNTS_FOLDER, VendorHomes
from ai_orchestrator.api.app import build_app
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.errors import EnvironmentProblemError, TemporaryError, shorten
from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.base.struct_tables import build_struct_tables
from ai_orchestrator.engine.adoption import Adoption, Unfinished
from ai_orchestrator.engine.context import EngineContext
from ai_orchestrator.engine.engine import Engine, EngineSettings
from ai_orchestrator.engine.journal import JournalObserver, ignore_journal
from ai_orchestrator.model.states import TaskState
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.security.secret_key import load_or_make_key
from ai_orchestrator.security.vault import Vault
from ai_orchestrator.services.acceptance import Acceptance, Release
from ai_orchestrator.services.archive import StoredArchive
from ai_orchestrator.services.changes import TaskChanges, log_file
from ai_orchestrator.services.remarks import TaskRemarks
from ai_orchestrator.services.removal import TaskRemoval
from ai_orchestrator.services.server import Identity, ServerService
from ai_orchestrator.services.tasks import TaskService
from ai_orchestrator.store.artefacts import ArtefactFiles
from ai_orchestrator.store.batching import EventBatcher
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.records import SqlRecords
from ai_orchestrator.store.schema import upgrade
from ai_orchestrator.store.sink import Sink
from ai_orchestrator.store.tasks import adopt
from ai_orchestrator.store.views import (
    UnfinishedTask,
    frozen_task,
    unfinished_tasks,
)
from ai_orchestrator.store.wakeups import Wakeups
from ai_orchestrator.wiring.enclosing import find_enclosure
from ai_orchestrator.wiring.settling import Settling
from ai_orchestrator.wiring.traffic import Traffic
from ai_orchestrator.workflows.commands.verify import VerifierRunner
from ai_orchestrator.workflows.loading.load import freeze
from ai_orchestrator.workflows.running.run import run_task
from ai_orchestrator.workflows.running.values import EPOCH, cleaned
from ai_orchestrator.workflows.running.world import TreePositions, World
from ai_orchestrator.workspace.setup_entries import SETUP_LIMIT_BYTES
from ai_orchestrator.workspace.trees import GitTrees, TreeSettings

if TYPE_CHECKING:
    from litestar import Litestar

    from ai_orchestrator.model.task import RepositorySource, TaskRequest
    from ai_orchestrator.model.workflow import WorkflowSpec


T = TypeVar("T")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def ignore_moment(moment: str, key: str) -> None:
    """Takes no notice of a moment inside a step."""
    del moment, key


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a server is told."""

    data_dir: Path
    max_tasks: int = 4
    setup_limit_bytes: int = SETUP_LIMIT_BYTES
    """Room for what set-up commands made and is kept."""
    release: str = __version__
    epoch: int = EPOCH
    observe: JournalObserver = ignore_journal
    """Told of every journal point; see `engine/journal.py`."""
    moment: Callable[[str, str], None] = ignore_moment
    """Told of every moment inside an agent step."""


class LeavingError(TemporaryError):
    """This process is on its way out, so nothing more comes of a step: the next one goes on."""

    code = "leaving"


@dataclass(slots=True)
class Server:
    """A server that is running; `app` is to be served."""

    app: Litestar
    tasks: TaskService
    service: ServerService
    engine: Engine
    database: Database
    spawner: GuardedSpawner
    traffic: Traffic
    leave: list[Callable[[], None]]
    leaving: threading.Event
    release: str
    refused: frozenset[str]
    """Unfinished tasks that only another release can finish."""
    redact: Callable[[str], str]

    @property
    def is_busy(self) -> bool:
        """A request is being answered, or a task runs."""
        return self.traffic.open_requests > 0 or bool(self.engine.running)

    @property
    def last_used_s(self) -> float:
        """Monotonic time of the last sign of use."""
        return self.traffic.last_s

    def touch(self) -> None:
        """Counts as use."""
        self.traffic.touch()

    async def has_unfinished(self) -> bool:
        """Some task of this release is not final."""
        unfinished = await self.database.read_async(unfinished_tasks)
        return any(task.task_id not in self.refused for task in unfinished)

    def drain(self) -> None:
        """Begins to drain; `on_leave` is called once nothing is inside a step."""
        self.service.begin_drain()

    @property
    def is_draining(self) -> bool:
        """Nothing new is begun any more."""
        return self.service.is_draining

    def on_leave(self, leave: Callable[[], None]) -> None:
        """What to do when the server has drained; in place of what was to be done before."""
        self.leave[:] = [leave]

    def close(self) -> None:
        """Stops claiming, closes the database, ends every process tree; in this order.

        A step whose agent is killed by this must find nowhere to write that its agent failed.
        """
        self.leaving.set()
        self.engine.close()
        self.database.close()
        self.spawner.close()


def build_server(settings: ServerSettings) -> Server:
    """A server with its engine launched and unfinished tasks taken up. Blocks; no loop may run.

    The guardian is started first, while this process has one thread and nothing to leak. Raises
    `EnvironmentProblemError` where the data directory cannot be used.
    """
    build_struct_tables()
    try:
        return _Builder(settings).build()
    except (OSError, sa.exc.OperationalError) as error:
        raise EnvironmentProblemError(
            f"data directory {settings.data_dir}: cannot be used ({shorten(str(error))}).",
            hint="Check the free space of its disk, and its mode.",
        ) from error


class _Builder:
    """Makes the parts in the order in which they need each other."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.data = settings.data_dir
        self.clock = SystemClock()
        self.spawner = GuardedSpawner()
        self.enclosure = asyncio.run(find_enclosure(self.spawner, _SYSTEM_PATH))
        self.redactor = Redactor()
        engine = open_database(self.data / "db.sqlite")
        upgrade(engine, self.data / "backups")
        self.database = Database(engine)
        self.log = EventLog(Sink(self.redactor), ArtefactFiles(self.data / "artefacts"), self.clock)
        self.records = SqlRecords(self.database, self.log, Wakeups())
        self.vault = Vault(load_or_make_key(self.data / "secret.key"))
        self.trees = GitTrees(
            self.data,
            self.spawner,
            path_env=_SYSTEM_PATH,
            settings=TreeSettings(
                setup_limit_bytes=settings.setup_limit_bytes, has_standing_shells=True
            ),
        )
        self.archive = StoredArchive(
            self.database, self.vault, self.redactor, self.data / ACCOUNTS_FOLDER
        )
        self.leave: list[Callable[[], None]] = []
        self.leaving = threading.Event()
        self.refused: frozenset[str] = frozenset()
        self.world = self._world()
        self.settling = Settling(self.database, self.records, self.world, self.leaving)

    def build(self) -> Server:
        """The whole server."""
        engine = Engine(
            self.database.engine,
            EngineSettings(
                release=self.settings.release,
                epoch=self.settings.epoch,
                max_tasks=self.settings.max_tasks,
                clean=self._clean,
            ),
            self._run,
            self.settings.observe,
        )
        resumed = self._launch(engine)
        tasks = self._tasks(engine)
        service = ServerService(
            Identity(
                self.settings.release,
                self.settings.epoch,
                self.data,
                self.clock.now(),
                resumed,
            ),
            engine,
            _Counter(self.database),
            self._leave,
        )
        traffic = Traffic()
        return Server(
            app=build_app(tasks, service, traffic.count),
            tasks=tasks,
            service=service,
            engine=engine,
            database=self.database,
            spawner=self.spawner,
            traffic=traffic,
            leave=self.leave,
            leaving=self.leaving,
            release=self.settings.release,
            refused=self.refused,
            redact=self.redactor.redact,
        )

    async def _run(self, context: EngineContext, task_id: str, task_attempt: int) -> None:
        """Runs a task attempt; whatever becomes of it, the task has an end afterwards."""
        if not await self.settling.is_wanted(task_id, task_attempt):
            return
        try:
            await run_task(context, self.world, task_id, task_attempt)
        except BaseException as error:  # a cancellation, or the journal cannot be written
            await self.settling.settle(task_id, task_attempt, error)
            raise

    def _clean(self, value: T, /) -> T:
        return cleaned(value, self.log.sink.clean_struct)

    def _leave(self) -> None:
        for leave in self.leave:
            leave()

    def _world(self) -> World:
        return World(
            archive=self.archive,
            records=self.records,
            batch=lambda: EventBatcher(self.records.emit, self.redactor.new_stream),
            trees=self.trees,
            open_trees={},
            agents=self._agents(),
            verifiers=self._verifiers,
            spawner=self.spawner,
            enclosure=self.enclosure,
            clock=self.clock,
            pause=asyncio.sleep,
            positions=TreePositions(),
            point=self._moment,
        )

    def _moment(self, moment: str, key: str) -> None:
        self.settings.moment(moment, key)
        if self.leaving.is_set():
            raise LeavingError("the server leaves.", delay_s=0.0)

    def _agents(self) -> ProcessAgentHost:
        discard, learn = self.trees.trash.discard, self.redactor.add
        return ProcessAgentHost(
            self.spawner,
            self.clock,
            cache=self.data / "cache",
            homes=VendorHomes(self.data / ACCOUNTS_FOLDER, discard=discard, learn=learn),
            logs=LogKeeping(
                lambda key: open_private(log_file(self.data / "logs", key)),
                self.redactor.new_stream,
            ),
            enclosure=self.enclosure,
        )

    def _verifiers(self, task_id: str) -> VerifierRunner:
        return VerifierRunner(
            self.spawner,
            self.enclosure,
            redact=self.records.redact,
            keep=lambda content: self.records.keep_artefact(task_id, content.decode()),
        )

    def _launch(self, engine: Engine) -> tuple[str, ...]:
        """Takes up what was unfinished; the ids of the tasks that go on."""
        unfinished = self.database.read(unfinished_tasks)
        for task in unfinished:
            if task.state is TaskState.CANCELLING:
                asyncio.run(self.settling.cancelled(task.task_id, task.task_attempt))
        going_on = [task for task in unfinished if task.state is not TaskState.CANCELLING]
        adoptions = engine.launch([_as_unfinished(task) for task in going_on])
        adopted = [a.unfinished.task_id for a in adoptions if a.action != "refuse"]
        self.database.write(
            lambda c: adopt(c, adopted, epoch=self.settings.epoch, release=self.settings.release)
        )
        self.refused = frozenset(a.unfinished.task_id for a in adoptions if a.action == "refuse")
        asyncio.run(self._tell_refusals(adoptions))
        return tuple(adopted)

    async def _source_of(self, task_id: str) -> RepositorySource:
        frozen = await self.database.read_async(lambda c: frozen_task(c, task_id))
        return frozen.source

    async def _tell_refusals(self, adoptions: tuple[Adoption, ...]) -> None:
        for adoption in adoptions:
            if adoption.action == "refuse":
                await self.records.add_note(adoption.unfinished.task_id, adoption.reason)

    def _tasks(self, engine: Engine) -> TaskService:
        return TaskService(
            database=self.database,
            log=self.log,
            records=self.records,
            engine=engine,
            acceptance=Acceptance(
                database=self.database,
                log=self.log,
                queue=engine,
                clock=self.clock,
                release=Release(self.settings.release, self.settings.epoch),
                freeze=_freeze,
                resolve=self.trees.resolve,
                remarks=TaskRemarks(self.trees.notes, self.data / ACCOUNTS_FOLDER).of,
                encrypt=self.vault.encrypt,
            ),
            changes=TaskChanges(self.trees, self.data / "logs", self._source_of),
            removal=TaskRemoval(
                database=self.database,
                files=self.log.files,
                journal=engine,
                layout=self.trees.layout,
                trash=self.trees.trash,
                logs=self.data / "logs",
                clock=self.clock,
                setup_limit_bytes=self.settings.setup_limit_bytes,
            ),
            encrypt=self.vault.encrypt,
            settle_cancelled=self.settling.cancelled,
        )


def open_private(path: Path) -> BinaryIO:
    """A file to append to, readable by its owner only; its directories are made."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "ab")


class _Counter:
    """Counts what is unfinished."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count_unfinished(self) -> int:
        """Tasks that are not final."""
        return len(await self._database.read_async(unfinished_tasks))


def _freeze(request: TaskRequest) -> WorkflowSpec:
    return freeze(request.config, request.workflow, request.options)


def _as_unfinished(task: UnfinishedTask) -> Unfinished:
    return Unfinished(task.workflow_id, task.task_id, task.task_attempt, task.release, task.epoch)
