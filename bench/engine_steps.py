"""Prints how many milliseconds a durable step that does nothing takes. Run by `parts.engine`."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from ai_orchestrator.engine.context import EngineContext
from ai_orchestrator.engine.engine import Engine, EngineSettings
from ai_orchestrator.engine.journal import ignore_journal
from ai_orchestrator.store.engine import open_database

STEPS = 100
LIMIT_S = 30.0


def main() -> None:
    """One workflow of many steps."""
    took_s: list[float] = []
    is_over = threading.Event()

    async def nothing() -> int:
        return 1

    async def run_task(context: EngineContext, task_id: str, task_attempt: int) -> None:
        del task_id, task_attempt
        await context.step("warm", nothing, int, is_preemptible=True)
        began_s = time.perf_counter()
        for number in range(STEPS):
            await context.step(f"step-{number}", nothing, int, is_preemptible=True)
        took_s.append(time.perf_counter() - began_s)
        is_over.set()

    database = open_database(Path(sys.argv[1]))
    engine = Engine(database, EngineSettings("0", 1), run_task, ignore_journal)
    engine.launch([])
    with database.connect() as connection:
        engine.enqueue(connection, "t-a1", "t", 1)
        connection.commit()
    engine.wake()
    if not is_over.wait(LIMIT_S):
        sys.exit(f"no end within {LIMIT_S} s")
    print(took_s[0] * 1000 / STEPS, flush=True)
    os._exit(0)  # as the runner leaves: the library's own shutdown takes a second


if __name__ == "__main__":
    main()
