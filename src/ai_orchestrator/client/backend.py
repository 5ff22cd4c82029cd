"""`Backend` over HTTP: what the command line and the shell talk through, local or remote."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ai_orchestrator.base.errors import InternalError, UnreachableError
from ai_orchestrator.client.errors import RemoteError
from ai_orchestrator.client.transport import READ_TIMEOUT_S, Transport
from ai_orchestrator.model.events import Event, decode_event
from ai_orchestrator.model.task import (
    Diff,
    GarbageReport,
    Problem,
    ServerInfo,
    TaskRequest,
    TaskSummary,
    TaskView,
)

T = TypeVar("T")
API = "/api/v1"
CHUNK_BYTES = 65_536
MAX_REVIVALS = 3
WORK_TIMEOUT_S = 2_000.0
"""For what a server works on before it answers: it fetches for up to 1,800 s, and makes bundles."""
INFO_TIMEOUT_S = 5.0
"""A hundred times what a server with a hundred running agents takes to say who it is."""


class HttpBackend:
    """A typed client of `/api/v1`. One connection per call; safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        revive: Callable[[], Transport] | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._transport = transport
        self._on_close = on_close
        self._revive = revive
        """Finds or starts the server anew, when it died or made room for a newer one meanwhile."""

    def info(self, *, timeout_s: float = INFO_TIMEOUT_S) -> ServerInfo:
        """Who answers. A server that is silent is not waited for as long as one that works."""
        with self._exchange("GET", "/info", None, timeout_s) as response:
            return msgspec.json.decode(response.read(), type=ServerInfo)

    def submit(self, request: TaskRequest) -> TaskView:
        """The accepted task."""
        body = msgspec.json.encode(request)
        return self._call("POST", "/tasks", TaskView, body, WORK_TIMEOUT_S)

    def tasks(self, *, limit: int = 50) -> list[TaskSummary]:
        """Tasks, newest first."""
        return self._get(f"/tasks?{urlencode({'limit': limit})}", list[TaskSummary])

    def task(self, task_id: str, *, attempt: int | None = None) -> TaskView:
        """One task, or as one of its attempts left it."""
        return self._get(f"{_path(task_id)}{_query(attempt=attempt)}", TaskView)

    def events(self, task_id: str, *, after_seq: int = 0, follow: bool = False) -> Iterator[Event]:
        """Events by rising seq; a stream that breaks is taken up after the last one seen."""
        seen, tries = after_seq, 0
        while True:
            query = urlencode({"after": seen, "follow": str(follow).lower()})
            try:
                for line in self._lines(f"{_path(task_id)}/events?{query}"):
                    if line.strip():
                        event = decode_event(line)
                        seen, tries = event.seq, 0
                        yield event
            except UnreachableError:
                if not follow or self._revive is None or tries >= MAX_REVIVALS:
                    raise
                tries += 1
                self._transport = self._revive()
            else:
                return

    def diff(self, task_id: str, *, step: str | None = None, attempt: int | None = None) -> Diff:
        """What the task, or one step of it, changed."""
        query = _query(step=step, attempt=attempt)
        return self._call("GET", f"{_path(task_id)}/diff{query}", Diff, None, WORK_TIMEOUT_S)

    def patch(
        self, task_id: str, *, step: str | None = None, attempt: int | None = None
    ) -> Iterator[bytes]:
        """The change as a patch, in chunks."""
        query = _query(step=step, attempt=attempt)
        return self._chunks(f"{_path(task_id)}/patch{query}", WORK_TIMEOUT_S)

    def bundle(
        self, task_id: str, *, attempt: int | None = None, is_whole: bool = False
    ) -> Iterator[bytes]:
        """A git bundle with the final commit, in chunks."""
        query = _query(attempt=attempt, whole="true" if is_whole else None)
        return self._chunks(f"{_path(task_id)}/bundle{query}", WORK_TIMEOUT_S)

    def mark_applied(self, task_id: str, how: str, *, attempt: int | None = None) -> None:
        """Records that the work reached its repository."""
        body = msgspec.json.encode({"how": how, "attempt": attempt})
        self._call("POST", f"{_path(task_id)}/applied", None, body)

    def logs(self, task_id: str, *, step: str | None = None) -> Iterator[bytes]:
        """The raw output of the agents, in chunks."""
        return self._chunks(f"{_path(task_id)}/logs{_query(step=step)}")

    def cancel(self, task_id: str) -> TaskView:
        """The task, cancelling or already final."""
        return self._call("POST", f"{_path(task_id)}/cancel", TaskView)

    def retry(self, task_id: str, *, credentials: Mapping[str, str] | None = None) -> TaskView:
        """The task with its next task attempt queued."""
        body = msgspec.json.encode({"credentials": dict(credentials or {})})
        return self._call("POST", f"{_path(task_id)}/retry", TaskView, body)

    def delete(self, task_id: str, *, force: bool = False) -> None:
        """Removes a task that is final."""
        self._call("DELETE", f"{_path(task_id)}?{urlencode({'force': str(force).lower()})}", None)

    def gc(self, *, dry_run: bool, force: bool) -> GarbageReport:
        """Removes what is no longer needed."""
        query = urlencode({"dry_run": str(dry_run).lower(), "force": str(force).lower()})
        return self._call("POST", f"/gc?{query}", GarbageReport, None, WORK_TIMEOUT_S)

    def drain(self) -> ServerInfo:
        """Has the server stop at the next step boundary and end; a newer one takes over."""
        return self._call("POST", "/drain", ServerInfo)

    def close(self) -> None:
        """Ends the server with us where it lives in this process; nothing else is kept open."""
        if self._on_close is not None:
            self._on_close()

    def _get(self, path: str, kind: type[T]) -> T:
        return self._call("GET", path, kind)

    def _call(
        self,
        method: str,
        path: str,
        kind: type[T] | None,
        body: bytes | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> T:
        with self._exchange(method, path, body, read_timeout_s) as response:
            data = response.read()
        if kind is None:
            return None  # type: ignore[return-value]  # the callers without a kind return nothing
        return msgspec.json.decode(data, type=kind)

    def _lines(self, path: str) -> Iterator[bytes]:
        """Whole lines; the response's own `readline` takes a broken connection for the end."""
        rest = b""
        for chunk in self._chunks(path):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def _chunks(self, path: str, read_timeout_s: float = READ_TIMEOUT_S) -> Iterator[bytes]:
        with self._exchange("GET", path, None, read_timeout_s) as response:
            while chunk := response.read1(CHUNK_BYTES):
                yield chunk

    def _exchange(
        self, method: str, path: str, body: bytes | None, read_timeout_s: float = READ_TIMEOUT_S
    ) -> _Exchange:
        """A request that a server answers; one that nobody can have heard is made again."""
        tries = 0
        while True:
            exchange = _Exchange(self._transport, method, path, body, read_timeout_s)
            try:
                exchange.ask()
            except UnreachableError:
                if self._revive is None or not exchange.may_repeat or tries >= MAX_REVIVALS:
                    raise
                tries += 1
                self._transport = self._revive()
            else:
                return exchange


def _path(task_id: str) -> str:
    return f"/tasks/{quote(task_id, safe='')}"


def _query(**wanted: str | int | None) -> str:
    given = {name: value for name, value in wanted.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


class _Exchange:
    """One request and its response; errors of the network and of the server become ours.

    `ask` it, then use it as a context that closes it.
    """

    _response: http.client.HTTPResponse

    def __init__(
        self,
        transport: Transport,
        method: str,
        path: str,
        body: bytes | None,
        read_timeout_s: float,
    ) -> None:
        self._transport = transport
        self._method = method
        self._path = path
        self._body = body
        self._connection = transport.connect(read_timeout_s)
        self.may_repeat = True
        """The server has not heard all of it, or hearing it twice does no harm."""

    def ask(self) -> None:
        """The head of the response is there. Raises `UnreachableError`, or what it says."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            self._connection.connect()
            self._connection.request(self._method, API + self._path, self._body, headers)
            self.may_repeat = self._method == "GET"
            self._response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.may_repeat &= isinstance(error, ConnectionError | FileNotFoundError)
            raise self._unreachable(error) from error
        if self._response.status >= http.client.BAD_REQUEST:
            data = self._response.read()
            self._connection.close()
            raise RemoteError(_problem(self._response.status, data))

    def __enter__(self) -> http.client.HTTPResponse:
        return self._response

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(error, OSError | http.client.HTTPException):
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"no answer from the server at {self._transport.name}: {error}.",
            hint="See `ai-orchestrator doctor`.",
        )


def _problem(status: int, data: bytes) -> Problem:
    try:
        return msgspec.json.decode(data, type=Problem)
    except msgspec.MsgspecError:
        text = data[:500].decode("utf-8", "replace")
        return Problem(
            title=f"HTTP {status}",
            status=status,
            code="unreadable",
            exit_code=InternalError.exit_code,
            detail=text,
        )
