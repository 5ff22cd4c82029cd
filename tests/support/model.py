"""The scripted model for tests that are not asynchronous: in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ai_orchestrator.scripted.scenario import Scenario
from ai_orchestrator.scripted.server import ScriptedServer

START_LIMIT_S = 30.0


@contextmanager
def scripted_model(scenario: Scenario, log: Path) -> Iterator[str]:
    """The URL of a server that plays the scenario, until the end of the block."""
    urls: list[str] = []
    is_ready, is_over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with ScriptedServer(scenario, log=log) as server:
            urls.append(server.url)
            is_ready.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert is_ready.wait(START_LIMIT_S)
        yield urls[0]
    finally:
        is_over.set()
        thread.join(START_LIMIT_S)


def builtin_agent(url: str) -> dict[str, Any]:
    """The agent that comes with the program, led to the scripted model."""
    return {
        "driver": "builtin",
        "enabled": True,
        "model": "scripted-1",
        "options": {"url": f"{url}/v1", "api": "openai"},
    }
