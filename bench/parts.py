"""The parts that every step uses: the guardian, the store, the engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Beside, Figure, median
from bench.place import Place, timed_ms

from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.process import Command, GuardedSpawner, run
from ai_orchestrator.model.events import AgentTextData, NewEvent, StepFinishedData
from ai_orchestrator.model.ids import new_task_id
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import RepositorySource, StepView
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.store.artefacts import ArtefactFiles
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.records import SqlRecords
from ai_orchestrator.store.schema import upgrade
from ai_orchestrator.store.sink import Sink
from ai_orchestrator.store.tables import TaskContext
from ai_orchestrator.store.tasks import NewTask, insert_task
from ai_orchestrator.store.wakeups import Wakeups

SPAWNS = 40
PAUSE_S = 0.03
"""Between two commands: an agent's run lies there. Straight after one another they are faster."""
WRITES = 100
ENGINE_LIMIT_S = 60.0


def guardian(place: Place) -> list[Figure]:
    """/bin/true through the guardian, beside fork and exec."""
    del place
    raw, guarded = asyncio.run(_spawns())
    beyond = median(guarded) - median(raw)
    return [Figure("guardian, beyond fork and exec", beyond, "ms", 5.0, _beside(raw))]


async def _spawns() -> tuple[list[float], list[float]]:
    raw, guarded = [], []
    with GuardedSpawner() as spawner:
        for number in range(SPAWNS + 1):
            await asyncio.sleep(PAUSE_S)
            raw.append(timed_ms(lambda: subprocess.run(["/bin/true"], check=True)))
            await asyncio.sleep(PAUSE_S)
            command = Command(("/bin/true",), Path("/"), {"PATH": "/usr/bin"}, f"true-{number}")
            guarded.append(await _awaited_ms(_ran(spawner, command)))
    return raw[1:], guarded[1:]  # the first one starts the guardian


async def _ran(spawner: GuardedSpawner, command: Command) -> None:
    await run(spawner, command, timeout_s=10.0, limit_bytes=100)


def _beside(raw: list[float]) -> Beside:
    return Beside("fork and exec", median(raw))


def store(place: Place) -> list[Figure]:
    """The two transactions that a step waits for most, on SQLite with `synchronous=FULL`."""
    directory = place.root / "store"
    directory.mkdir()
    engine = open_database(directory / "db.sqlite")
    upgrade(engine, directory / "backups")
    database = Database(engine)
    log = EventLog(Sink(Redactor()), ArtefactFiles(directory / "artefacts"), SystemClock())
    task_id = database.write(lambda connection: insert_task(connection, log, _new_task()))
    finish, emit = asyncio.run(_writes(SqlRecords(database, log, Wakeups()), task_id))
    database.close()
    return [
        Figure("store: finish_attempt", median(finish), "ms", goal=10.0),
        Figure("store: emit", median(emit), "ms", goal=10.0),
    ]


async def _writes(records: SqlRecords, task_id: str) -> tuple[list[float], list[float]]:
    finish, emit = [], []
    for number in range(WRITES):
        view = StepView("part", 1, number + 1, "agent", "running", datetime.now(UTC))
        await records.start_attempt(view, task_id, 1, _event(task_id, f"started-{number}"))
        done = [NewEvent(f"done-{number}", task_id, 1, StepFinishedData("succeeded"))]
        text = [_event(task_id, f"text-{number}")]
        ended = StepView("part", 1, number + 1, "agent", "succeeded", datetime.now(UTC))
        emit.append(await _awaited_ms(records.emit(text)))
        finish.append(await _awaited_ms(records.finish_attempt(ended, task_id, 1, done)))
    return finish, emit


def _event(task_id: str, name: str) -> NewEvent:
    return NewEvent(name, task_id, 1, AgentTextData("hello"))


def _new_task() -> NewTask:
    return NewTask(
        id=new_task_id(datetime.now(UTC)),
        principal="local:bench",
        title="Measure",
        task="Measure",
        workflow="default",
        repository="/repository",
        source=RepositorySource(path="/repository"),
        spec=WorkflowSpec(
            name="default",
            description="",
            success=SuccessRule.VERIFIED,
            steps=(),
            agents={},
            accounts={},
            prompts={},
            verifiers=None,
        ),
        context=TaskContext(path_env="/usr/bin", home="/"),
        epoch=1,
        release="0",
    )


def engine(place: Place) -> list[Figure]:
    """A durable step that does nothing, in a process of its own: there is one engine in each."""
    program = Path(__file__).with_name("engine_steps.py")
    done = subprocess.run(
        [sys.executable, str(program), str(place.root / "engine.sqlite")],
        capture_output=True,
        text=True,
        timeout=ENGINE_LIMIT_S,
        check=True,
    )
    return [Figure("engine: a step that does nothing", float(done.stdout), "ms", goal=10.0)]


async def _awaited_ms(action: Awaitable[object]) -> float:
    began_s = time.perf_counter()
    await action
    return (time.perf_counter() - began_s) * 1000


Group = Callable[[Place], list[Figure]]
