"""Serves a server on its Unix socket: in the runner's process, or in a thread of a command."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.errors import (
    ConflictError,
    EnvironmentProblemError,
    OrchestratorError,
)
from ai_orchestrator.base.lockfile import Held, acquire, holder
from ai_orchestrator.wiring.data_version import claim_layout
from ai_orchestrator.wiring.runner_log import log_file
from ai_orchestrator.wiring.server import Server, ServerSettings, build_server

DRAIN_S = 30.0
"""After TERM: steps that have not ended by then are interrupted, which loses nothing finished.

A second TERM, or one during a drain that a newer client asked for, interrupts them at once.
"""
START_LIMIT_S = 30.0
LOOK_S = 1.0
"""Between two looks whether the socket can still be found; costs a few microseconds."""
LOCK_PATIENCE_S = 1.0
"""Clients look at the lock for a moment; a runner that starts just then must not give up."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """Where to serve, and when to leave. `idle_s` None: only when told."""

    data_dir: Path
    socket: Path
    idle_s: float | None
    drain_s: float = DRAIN_S


def own(data_dir: Path) -> Held:
    """The data directory's lock; what the last holder said of itself is gone.

    Raises `ConflictError` that names who holds it, `EnvironmentProblemError` where it cannot be
    used or belongs to a newer release.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = _acquired(data_dir)
        try:
            _keep_private(data_dir)
            held.describe({"pid": os.getpid()})  # no release: nobody answers yet
            claim_layout(data_dir)
        except BaseException:
            held.release()
            raise
    except OSError as error:
        raise EnvironmentProblemError(
            f"data directory {data_dir}: cannot be used ({error}).",
            hint="Check its mode and the free space, or name another by AI_ORCHESTRATOR_HOME.",
        ) from error
    return held


def _keep_private(data_dir: Path) -> None:
    """Conversations and checkouts lie below: nobody else looks in, whoever made the directory."""
    status = data_dir.stat()
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077:
        data_dir.chmod(0o700)


def _acquired(data_dir: Path) -> Held:
    deadline = SystemClock().monotonic_s() + LOCK_PATIENCE_S
    while (held := acquire(data_dir / "lock")) is None:
        if SystemClock().monotonic_s() < deadline:
            time.sleep(0.01)
            continue
        info = holder(data_dir / "lock") or {}
        raise ConflictError(
            f"{data_dir} is owned by the runner with pid {info.get('pid', 'unknown')}.",
            hint="One process owns a SQLite file; several replicas need PostgreSQL.",
        )
    return held


async def serve(server: Server, held: Held, serving: Serving, *, has_signals: bool) -> None:
    """Answers on the socket until the server has to leave."""
    listener = _listen(serving.socket)
    service = _Service(server, serving)
    server.on_leave(service.leave_from_any_thread)
    held.describe(
        {
            "pid": os.getpid(),
            "release": server.release,
            "socket": str(serving.socket.absolute()),
            "started_at": SystemClock().now().isoformat(),
        }
    )
    if serving.idle_s is not None:
        service.begin(_leave_when_idle(server, service.stop, serving.idle_s))
        service.begin(_show_anew_when_hidden(service))
    if has_signals:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.terminate)
    await service.answer(listener)


class _Service:
    """One call of `serve`: its HTTP server, what goes on beside it, and what ends it."""

    def __init__(self, server: Server, serving: Serving) -> None:
        self.server = server
        self.serving = serving
        self.is_leaving = False
        self._http = uvicorn.Server(
            uvicorn.Config(
                server.app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
            )
        )
        self._loop = asyncio.get_running_loop()
        self._beside: set[asyncio.Task[None]] = set()
        self._is_asked = False

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on until it ends or the service does."""
        self._beside.add(self._loop.create_task(work))

    async def answer(self, listener: socket.socket) -> None:
        """Returns when the service is over."""
        with contextlib.closing(listener):
            await self._http._serve(sockets=[listener])  # noqa: SLF001  # `serve` takes our signals
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        _hide(self.serving.socket)

    async def also_answer(self, listener: socket.socket) -> None:
        """Answers there, too, as uvicorn does on the sockets that it begins with."""
        http = self._http
        protocol = functools.partial(
            http.config.http_protocol_class,
            config=http.config,  # type: ignore[call-arg]  # as uvicorn's own `startup` makes it
            server_state=http.server_state,
            app_state=http.lifespan.state,
        )
        http.servers.append(await self._loop.create_server(protocol, sock=listener))

    def stop(self) -> None:
        """Nobody finds us from now on; who has found us is heard in the time of one more tick."""
        self.is_leaving = True
        self._http.should_exit = True
        _hide(self.serving.socket)

    def leave_from_any_thread(self) -> None:
        """`stop`, soon."""
        self._loop.call_soon_threadsafe(self.stop)

    def terminate(self) -> None:
        """Two signals may be heard in one turn of the loop, before a drain has begun."""
        if self._is_asked or self.server.is_draining:
            self.stop()
        else:
            self._is_asked = True
            self.begin(_drain(self.server, self.stop, self.serving.drain_s))


def _hide(path: Path) -> None:
    """The socket has no name any more, where that can be helped."""
    with contextlib.suppress(OSError):
        path.unlink()


def _listen(path: Path) -> socket.socket:
    """A socket that only its owner may open. The lock makes a file that is there a stale one.

    It gets its name when it listens: whoever finds it can connect, and will be answered. (A umask
    would do for the mode, but is the whole process's, and tasks run in it already.)
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unnamed = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unnamed.unlink(missing_ok=True)
        listener.bind(str(unnamed))
        unnamed.chmod(0o600)
        listener.listen(128)
        unnamed.rename(path)
    except OSError as error:
        listener.close()
        raise EnvironmentProblemError(f"socket {path}: cannot be made ({error}).") from error
    return listener


async def _leave_when_idle(server: Server, stop: Callable[[], None], idle_s: float) -> None:
    """Stops once no task is unfinished and no request came for `idle_s`."""
    pause_s = min(idle_s / 4, 5.0)
    while True:  # until it is cancelled with the server's end
        await asyncio.sleep(pause_s)
        if server.is_busy or await _has_unfinished(server):
            server.touch()
        if SystemClock().monotonic_s() - server.last_used_s >= idle_s:
            log.info("idle for %.0f s, leaving", idle_s)
            stop()
            return


async def _show_anew_when_hidden(service: _Service) -> None:
    """Makes a new socket once the name of this one is gone: nobody could find the runner.

    Nor could anybody start another one. Where it cannot be made that is tried again, and all that
    runs goes on; without a task that is unfinished the runner leaves.
    """
    path = service.serving.socket
    is_told = False
    while True:  # until it is cancelled with the service's end
        await asyncio.sleep(LOOK_S)
        if service.is_leaving:
            return
        if await asyncio.to_thread(os.path.exists, path):
            continue
        try:
            await service.also_answer(await asyncio.to_thread(_listen, path))
        except EnvironmentProblemError as error:
            if not is_told:
                log.warning("somebody removed the socket, and no new one can be made: %s", error)
            is_told = True
            if not service.server.is_busy and not await _has_unfinished(service.server):
                service.stop()
        else:
            log.warning("somebody removed the socket %s: it was made anew", path)
            is_told = False


async def _has_unfinished(server: Server) -> bool:
    try:
        return await server.has_unfinished()
    except OrchestratorError as error:  # the database cannot be read: staying is the safe guess
        log.warning("cannot tell whether a task is unfinished: %s", error)
        return True


async def _drain(server: Server, stop: Callable[[], None], drain_s: float) -> None:
    """Stops at the next step boundary, or after `drain_s`."""
    server.drain()  # stops it when nothing is inside a step any more
    await asyncio.sleep(drain_s)
    stop()


@dataclass(slots=True)
class ServedInThread:
    """A server that lives in this process, for `run --in-process`."""

    serving: Serving
    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _server: Server | None = None
    _held: Held | None = None
    _failure: OrchestratorError | None = None
    _log: logging.Handler | None = None

    def start(self) -> None:
        """Returns once the socket answers. Raises what building the server raises."""
        self._held = own(self.serving.data_dir)
        try:
            self.serving.socket.unlink(missing_ok=True)  # of one that was killed: nobody is up yet
            self._server = build_server(ServerSettings(data_dir=self.serving.data_dir))
            self._log = log_file(self.serving.data_dir, self._server.redact)
            logging.getLogger().addHandler(self._log)
            self._thread = threading.Thread(
                target=self._run, args=(self._server, self._held), name="server", daemon=True
            )
            self._thread.start()
            self._wait_until_up(self._thread)
        except BaseException:
            self.close()
            raise

    def _wait_until_up(self, thread: threading.Thread) -> None:
        deadline = SystemClock().monotonic_s() + START_LIMIT_S
        while not self.serving.socket.exists():
            if self._failure is not None:
                raise self._failure
            if SystemClock().monotonic_s() > deadline or not thread.is_alive():
                raise EnvironmentProblemError(
                    f"the server did not come up on {self.serving.socket}."
                )
            self._stop.wait(0.005)

    def _run(self, server: Server, held: Held) -> None:
        try:
            asyncio.run(serve(server, held, self.serving, has_signals=False))
        except OrchestratorError as error:
            self._failure = error

    def close(self) -> None:
        """Leaves in good order: what runs is interrupted and goes on with the next server."""
        if self._server is not None:
            self._server.engine.begin_drain()
            for leave in self._server.leave:
                leave()
            if self._thread is not None:
                self._thread.join(timeout=10.0)
            self._server.close()
        if self._held is not None:
            self._held.release()
        if self._log is not None:
            logging.getLogger().removeHandler(self._log)
            self._log.close()
        self._server = self._thread = self._held = self._log = None
