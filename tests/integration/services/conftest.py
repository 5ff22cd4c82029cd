"""A data directory with a database as a server makes it, and tasks to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.model.ids import new_task_id
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import RepositorySource
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.store.artefacts import ArtefactFiles
from ai_orchestrator.store.database import Database
from ai_orchestrator.store.engine import open_database
from ai_orchestrator.store.events import EventLog
from ai_orchestrator.store.schema import upgrade
from ai_orchestrator.store.sink import Sink
from ai_orchestrator.store.tables import TaskContext
from ai_orchestrator.store.tasks import NewTask, insert_task

START = datetime(2026, 1, 31, 9, 5, tzinfo=UTC)


def a_spec(**fields: Any) -> WorkflowSpec:
    """A workflow without steps."""
    values: dict[str, Any] = {
        "name": "default",
        "description": "",
        "success": SuccessRule.VERIFIED,
        "steps": (),
        "agents": {},
        "accounts": {},
        "prompts": {},
        "verifiers": None,
    }
    return WorkflowSpec(**(values | fields))


@dataclass
class DataDirectory:
    """A database with its log."""

    path: Path
    database: Database
    log: EventLog
    redactor: Redactor

    def accept(self, **fields: Any) -> str:
        """The id of a task that was accepted."""
        values: dict[str, Any] = {
            "id": new_task_id(START),
            "principal": "local:me",
            "title": "Add a button",
            "task": "Add a button to the page.",
            "workflow": "default",
            "repository": "/home/me/shop",
            "source": RepositorySource(path="/home/me/shop"),
            "spec": a_spec(),
            "context": TaskContext(path_env="/usr/bin", home="/home/me"),
            "epoch": 1,
            "release": "0.1.0",
        }
        new = NewTask(**(values | fields))
        return self.database.write(lambda connection: insert_task(connection, self.log, new))


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDirectory]:
    """A fresh one."""
    engine = open_database(tmp_path / "db.sqlite")
    upgrade(engine, tmp_path / "backups")
    redactor = Redactor()
    log = EventLog(Sink(redactor), ArtefactFiles(tmp_path / "artefacts"), SystemClock())
    database = Database(engine)
    yield DataDirectory(tmp_path, database, log, redactor)
    database.close()
