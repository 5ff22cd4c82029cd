"""A process that owns an engine, for tests that kill it: says what happens on standard output."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos._sys_db import SystemDatabase

from ai_orchestrator.engine import dispatch
from ai_orchestrator.engine.adoption import Unfinished
from ai_orchestrator.engine.context import EngineContext
from ai_orchestrator.engine.engine import Engine, EngineSettings
from ai_orchestrator.store.engine import open_database


def say(*words: object) -> None:
    """One line for the test, at once."""
    print(*words, flush=True)


async def run_task(context: EngineContext, task_id: str, task_attempt: int) -> None:
    """Three steps; the second waits while a file named after the task exists."""

    async def first() -> int:
        say("first", task_id)
        return task_attempt

    async def second() -> int:
        say("second", task_id)
        try:
            while Path(f"{task_id}.hold").exists():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            say("interrupted", task_id)
            raise
        return 2

    async def third() -> list[int]:
        return [1, 2, 3]

    await context.step("first", first, int, is_preemptible=True)
    await context.step("second", second, int, is_preemptible=True)
    value = await context.step("third", third, list[int])
    say("ended", task_id, sum(value))


def main() -> None:
    """Launches, enqueues what it is told to, and runs until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--release", default="1.0.0")
    parser.add_argument("--epoch", type=int, default=1)
    parser.add_argument("--max-tasks", type=int, default=4)
    parser.add_argument("--enqueue", nargs="*", default=[])
    parser.add_argument("--roll-back", nargs="*", default=[])
    parser.add_argument("--unfinished", nargs="*", default=[], help="task:release:epoch")
    parser.add_argument("--fail-starting", default="", help="task whose first start fails")
    parser.add_argument("--fail-looking", action="store_true", help="for what was claimed, once")
    parser.add_argument("--die-at", default="", help="point:step")
    options = parser.parse_args()

    def observe(point: str, workflow_id: str, step: str) -> None:
        if f"{point}:{step}" == options.die_at:
            say("dying", workflow_id)
            os.kill(os.getpid(), 9)

    database = open_database(Path("db.sqlite"))
    settings = EngineSettings(options.release, options.epoch, max_tasks=options.max_tasks)
    engine = Engine(database, settings, run_task, observe)
    for adoption in engine.launch([_unfinished(text) for text in options.unfinished]):
        say("adoption", adoption.unfinished.task_id, adoption.action)
    if options.fail_starting:
        _fail_once(dispatch, "execute_dequeued_workflow", f"{options.fail_starting}-a1")
    if options.fail_looking:
        _fail_once(SystemDatabase, "get_workflow_statuses", f"{options.enqueue[0]}-a1")
    for task_id in options.enqueue:
        _enqueue(engine, database, task_id)
    for task_id in options.roll_back:
        _enqueue(engine, database, task_id, is_kept=False)
    engine.wake()
    for line in sys.stdin:
        _obey(engine, line)
    engine.close()
    os._exit(0)


def _obey(engine: Engine, line: str) -> None:
    word, _, task_id = line.strip().partition(" ")
    if word == "cancel":
        engine.cancel(f"{task_id}-a1")
    if word == "drain":
        engine.begin_drain()
        while engine.running:
            time.sleep(0.01)
        say("drained")


def _enqueue(engine: Engine, database: sa.Engine, task_id: str, *, is_kept: bool = True) -> None:
    with database.connect() as connection:
        engine.enqueue(connection, f"{task_id}-a1", task_id, 1)
        if is_kept:
            connection.commit()
        else:
            connection.rollback()
            say("rolled-back", task_id)


def _fail_once(owner: Any, name: str, workflow_id: str) -> None:
    """The library's call raises the first time that it is about the workflow."""
    call, failed = getattr(owner, name), threading.Event()

    def failing(*given: Any) -> Any:
        if workflow_id in repr(given) and not failed.is_set():
            failed.set()
            say("failed", workflow_id)
            raise sa.exc.OperationalError(name, {}, OSError("disk I/O error"))
        return call(*given)

    setattr(owner, name, failing)


def _unfinished(text: str) -> Unfinished:
    task_id, release, epoch = text.split(":")
    return Unfinished(f"{task_id}-a1", task_id, 1, release, int(epoch))


if __name__ == "__main__":
    main()
