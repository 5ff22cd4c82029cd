"""The server as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_orchestrator.scripted.request_log import read_log

TIMEOUT_S = 20


async def started(*arguments: str, stdin: int = PIPE) -> Process:
    """The server's process, not yet ready."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ai_orchestrator.scripted", *arguments,
        stdin=stdin, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip


async def ready_line(process: Process) -> dict[str, Any]:
    """What it prints when it answers."""
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        line: dict[str, Any] = json.loads(await process.stdout.readline())
    return line


async def ended(process: Process) -> tuple[int | None, bytes]:
    """Its exit code and what it said on standard error."""
    async with asyncio.timeout(TIMEOUT_S):
        _, stderr = await process.communicate()
    return process.returncode, stderr


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """A running demo server that does not outlive its test."""
    running = await started("demo", "--log", str(tmp_path / "log"))
    yield running
    if running.returncode is None:
        running.kill()
        await running.wait()


async def test_process_answers_at_the_address_it_prints(
    process: Process, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    """One JSON line, and from then on the address works and is logged."""
    ready = await ready_line(process)
    assert ready["scenario"] == "demo"
    body = {"model": "m", "input": "[[plain:Here.]]"}
    response = await http.post(f"{ready['url']}/v1/responses", json=body)
    assert response.json()["output"][0]["content"][0]["text"] == "Here."
    assert [entry.path for entry in read_log(tmp_path / "log")] == ["/v1/responses"]


async def test_process_ends_when_its_input_ends(process: Process, http: httpx.AsyncClient) -> None:
    """Whoever started it may die in any way; a client that hangs does not keep it."""
    url = (await ready_line(process))["url"]
    body = {"model": "m", "input": "[[hang]]"}
    asking = asyncio.create_task(http.post(f"{url}/v1/responses", json=body))
    assert (await http.get(f"{url}/v1/models")).status_code == 200
    assert process.stdin is not None
    process.stdin.close()
    assert await ended(process) == (0, b"")
    with pytest.raises(httpx.HTTPError):
        await asking


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_process_ends_at_a_signal(process: Process, number: signal.Signals) -> None:
    """Quietly and with success: it did what it was told."""
    await ready_line(process)
    process.send_signal(number)
    assert await ended(process) == (0, b"")


async def test_process_without_input_ends_at_once() -> None:
    """`</dev/null` is the end of the input."""
    process = await started("demo", stdin=DEVNULL)
    assert await ended(process) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nosuch"], 2, "error: no scenario 'nosuch'. Known: "),
        (["demo", "--log", "/nosuch/log"], 3, "error: /nosuch/log: the request log cannot be"),
    ],
    ids=["scenario", "log"],
)
async def test_process_says_why_it_cannot_start(
    arguments: list[str], code: int, message: str
) -> None:
    """On standard error, with the exit code of the error's family."""
    returned, stderr = await ended(await started(*arguments))
    assert returned == code
    assert stderr.decode().startswith(message)
