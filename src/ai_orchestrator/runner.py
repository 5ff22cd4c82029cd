"""The runner process: owner of one data directory, started by the command line in the background.

It holds the directory's lock, runs the durable engine, answers on a Unix socket (mode 0600), and
ends by itself when nothing has been asked of it and nothing has run for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from ai_orchestrator import __version__
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.errors import EnvironmentProblemError, OrchestratorError
from ai_orchestrator.base.lockfile import Held, acquire
from ai_orchestrator.wiring.server import Server, ServerSettings, build_server

IDLE_S = 600.0
"""Ten minutes, as `docs/reference/runner.md` says."""
DRAIN_S = 30.0
"""After TERM: steps that have not ended by then are interrupted, which loses nothing finished."""
log = logging.getLogger("ai_orchestrator.runner")


def main(arguments: list[str] | None = None) -> None:
    """Runs until idle, drained or told to stop. Exits 75 when another runner owns the directory."""
    options = _parse(arguments)
    options.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = acquire(options.data_dir / "lock")
    if held is None:
        log.error("another runner owns %s", options.data_dir)
        sys.exit(os.EX_TEMPFAIL)
    settings = ServerSettings(data_dir=options.data_dir, max_tasks=options.max_tasks)
    try:
        server = build_server(settings)
    except OrchestratorError as error:
        log.error("cannot start: %s", error)  # noqa: TRY400  # for people; the trace says no more
        sys.exit(error.exit_code)
    asyncio.run(serve(server, held, options.socket, idle_s=options.idle_s))
    server.close()
    with contextlib.suppress(FileNotFoundError):
        options.socket.unlink()
    # The engine's threads would keep the interpreter for a second; all that matters is on disk.
    logging.shutdown()
    os._exit(0)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    parser = argparse.ArgumentParser(prog="ai-orchestrator-runner", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--idle-s", type=float, default=IDLE_S)
    parser.add_argument("--max-tasks", type=int, default=4)
    return parser.parse_args(arguments)


async def serve(server: Server, held: Held, path: Path, *, idle_s: float) -> None:
    """Answers on the socket until the server has to leave."""
    listener = _listen(path)
    config = uvicorn.Config(
        server.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    http = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    server.on_leave(lambda: loop.call_soon_threadsafe(_stop, http))
    held.describe(
        {
            "pid": os.getpid(),
            "release": __version__,
            "socket": str(path),
            "started_at": SystemClock().now().isoformat(),
        }
    )
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(http.serve(sockets=[listener]))
        watching = group.create_task(_leave_when_idle(server, http, idle_s))
        loop.add_signal_handler(signal.SIGTERM, lambda: group.create_task(_drain(server, http)))
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # the terminal's Ctrl-C is not for us
        await serving
        watching.cancel()


def _listen(path: Path) -> socket.socket:
    """A socket that only its owner may open. The lock makes a file that is there a stale one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        raise EnvironmentProblemError(f"socket {path}: cannot be made ({error}).") from error
    finally:
        os.umask(before)
    return listener


async def _leave_when_idle(server: Server, http: uvicorn.Server, idle_s: float) -> None:
    """Stops once no task is unfinished and no request came for `idle_s`."""
    loop = asyncio.get_running_loop()
    pause_s = min(idle_s / 4, 5.0)
    while True:
        await asyncio.sleep(pause_s)
        if server.is_busy or await server.has_unfinished():
            server.touch()
        if loop.time() - server.last_used_s >= idle_s:
            log.info("idle for %.0f s, leaving", idle_s)
            _stop(http)
            return


async def _drain(server: Server, http: uvicorn.Server) -> None:
    """Stops at the next step boundary, or after `DRAIN_S`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await server.drain()
            return
    _stop(http)


def _stop(http: uvicorn.Server) -> None:
    http.should_exit = True


if __name__ == "__main__":
    main()
