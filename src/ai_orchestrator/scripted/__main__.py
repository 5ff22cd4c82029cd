"""The scripted model server as a process: `python -m ai_orchestrator.scripted SCENARIO`.

It prints one JSON line with its address when it is ready to answer, and ends when its standard
input ends (so it never outlives who started it) or at SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.scripted.scenario import Scenario
from ai_orchestrator.scripted.scenario_file import (
    find_scenario,
    load_scenario,
    shipped_scenarios,
)
from ai_orchestrator.scripted.server import ScriptedServer

_STDIN = 0


def main(argv: list[str] | None = None) -> int:
    """Serves until told to end; the exit code. Errors go to standard error."""
    options = _parser().parse_args(argv)
    try:
        scenario = load_scenario(find_scenario(options.scenario))
        asyncio.run(_serve(scenario, options.port, options.log))
    except OrchestratorError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    known = ", ".join(shipped_scenarios())
    parser = argparse.ArgumentParser(
        prog="python -m ai_orchestrator.scripted",
        description="Plays a scenario as a model provider on 127.0.0.1. Ends with its input.",
    )
    parser.add_argument("scenario", metavar="SCENARIO", help=f"a YAML file, or one of: {known}")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append each request, as JSON")
    return parser


async def _serve(scenario: Scenario, port: int, log: Path | None) -> None:
    async with ScriptedServer(scenario, port=port, log=log) as server:
        stop = asyncio.Event()
        _stop_at_the_end(stop)
        ready = msgspec.json.encode({"url": server.url, "scenario": scenario.name}).decode()
        sys.stdout.write(f"{ready}\n")
        sys.stdout.flush()
        await stop.wait()  # no deadline: who started this process ends it


def _stop_at_the_end(stop: asyncio.Event) -> None:
    """Sets `stop` at the end of standard input, at SIGTERM and at SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def watch() -> None:
        while _read_stdin():
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself meanwhile
            loop.call_soon_threadsafe(stop.set)

    # A thread, since an event loop cannot wait for input that is a file or /dev/null.
    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _read_stdin() -> bytes:
    try:
        return os.read(_STDIN, 4096)
    except OSError:  # it was closed before we started: the same as its end
        return b""


if __name__ == "__main__":
    sys.exit(main())
