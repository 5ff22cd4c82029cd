"""The scripted model server: four dialects on one loopback address, playing one scenario.

Used in its own process (`__main__`) by the demo and by people who have an agent but no key, and
inside tests:

    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as server:
        server.url

It decides nothing itself (`decision` does) and knows no wire format (`dialects` do).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

import msgspec

from ai_orchestrator.base.clock import Clock, SystemClock
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.scripted.address import Address, Purpose, resolve
from ai_orchestrator.scripted.conversation import MalformedRequestError, ModelRequest, digest
from ai_orchestrator.scripted.decision import (
    Break,
    Choice,
    Place,
    Refusal,
    Silence,
    Speech,
    decide,
)
from ai_orchestrator.scripted.dialects import anthropic, chat, gemini, responses
from ai_orchestrator.scripted.dialects.dialect import Dialect, Reply
from ai_orchestrator.scripted.prompt import conversation_id
from ai_orchestrator.scripted.request_log import (
    LIMIT_PROMPT_CHARS,
    SESSION_HEADERS,
    LoggedRequest,
    RequestLog,
    shown_headers,
    shown_target,
)
from ai_orchestrator.scripted.scenario import DialectName, Scenario
from ai_orchestrator.scripted.tools import ToolCall
from ai_orchestrator.scripted.wire import (
    HANG_TIMEOUT_S,
    LIMIT_BODY_BYTES,
    Connection,
    HttpRequest,
)

HOST = "127.0.0.1"
LIMIT_CONNECTIONS = 512  # a guess: more agents than any machine that runs this can hold
CLOSE_TIMEOUT_S = 5.0

_DIALECTS: Mapping[DialectName, Dialect] = {
    DialectName.ANTHROPIC: anthropic,
    DialectName.RESPONSES: responses,
    DialectName.CHAT: chat,
    DialectName.GEMINI: gemini,
}
_MODEL = {
    "id": "scripted-1",
    "object": "model",
    "type": "model",
    "display_name": "Scripted model",
    "created": 1,
    "owned_by": "scripted",
}
_SYSTEM_CLOCK = SystemClock()


class ScriptedServer:
    """Plays `scenario` on a port of 127.0.0.1 while its context is open.

    `port` 0 takes any free one. With `log`, each request is appended to that file before it is
    answered. Usable from any event loop.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        port: int = 0,
        log: Path | None = None,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        self._scenario = scenario
        self._port = port
        self._log_path = log
        self._log: RequestLog | None = None
        self._clock = clock
        self._given: dict[Place, int] = {}
        self._spent: set[Place] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._files = ExitStack()

    @property
    def url(self) -> str:
        """The base address, without a slash at its end. OpenAI's clients want `/v1` after it."""
        return f"http://{HOST}:{self._port}"

    @property
    def connection_count(self) -> int:
        """Clients that are connected now."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        if self._log_path is not None:
            self._log = self._files.enter_context(RequestLog(self._log_path))
        try:
            self._listener = await asyncio.start_server(self._accept, HOST, self._port)
        except OSError as error:
            self._files.close()
            raise EnvironmentProblemError(
                f"port {self._port} of {HOST} cannot be opened: {error.strerror}.",
                hint="Choose another one, or 0 for any free port.",
            ) from error
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        if connections:
            await asyncio.wait(connections, timeout=CLOSE_TIMEOUT_S)
        self._files.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: asyncio would make a task of it that complains when it is cancelled.
        if len(self._connections) >= LIMIT_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(Connection(reader, writer).serve(self._answer))
        self._connections.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            context = {"message": "scripted server: a connection failed", "exception": error}
            task.get_loop().call_exception_handler(context)

    async def _answer(self, request: HttpRequest, connection: Connection) -> None:
        address = resolve(request.method, request.target)
        refusal = _unreadable(request)
        if refusal is not None:
            await self._refuse(request, address, refusal, connection)
            return
        match address.purpose:
            case Purpose.REPLY:
                await self._reply(request, address, connection)
            case Purpose.COUNT:
                self._record(request, address)
                await _send(connection, _token_count(address.dialect, len(request.body)))
            case Purpose.MODELS:
                self._record(request, address)
                await _send(connection, {"object": "list", "data": [_MODEL], "has_more": False})
            case Purpose.UNKNOWN:
                refusal = Refusal(404, f"not found: {request.method} {request.target:.200}")
                await self._refuse(request, address, refusal, connection)
            case _:
                assert_never(address.purpose)

    async def _reply(self, request: HttpRequest, address: Address, connection: Connection) -> None:
        dialect = _DIALECTS[address.dialect]
        try:
            asked = dialect.read_request(request.body, address.route)
        except MalformedRequestError as error:
            await self._refuse(request, address, Refusal(400, str(error)), connection)
            return
        choice = decide(self._scenario, asked, self._spent)
        self._count(choice)
        conversation = conversation_id(asked, _session_ids(request))
        self._record(request, address, asked, choice, conversation)
        if choice.delay_s:
            await connection.pause(choice.delay_s)
        await self._carry_out(choice, asked, conversation, connection)

    def _count(self, choice: Choice) -> None:
        """Remembers a failure that is given only so many times."""
        if choice.place is None or choice.times is None:
            return
        given = self._given.get(choice.place, 0) + 1
        self._given[choice.place] = given
        if given >= choice.times:
            self._spent.add(choice.place)

    async def _carry_out(
        self, choice: Choice, asked: ModelRequest, conversation: str, connection: Connection
    ) -> None:
        decision, dialect = choice.decision, _DIALECTS[asked.dialect]
        match decision:
            case Refusal():
                error = dialect.error_reply(decision, self._clock.now())
                await _send(connection, error.body, decision.status, error.headers)
            case Silence():
                await connection.pause(HANG_TIMEOUT_S)
                connection.abort()
            case Speech() | ToolCall() | Break():
                reply = Reply(
                    decision=decision,
                    model=asked.model,
                    usage=choice.usage,
                    key=digest(conversation, str(len(asked.turns))),
                    created_s=int(self._clock.now().timestamp()),
                    wants_stream_usage=asked.wants_stream_usage,
                )
                await _send_reply(connection, dialect, reply, is_stream=asked.is_stream)
            case _:
                assert_never(decision)

    async def _refuse(
        self, request: HttpRequest, address: Address, refusal: Refusal, connection: Connection
    ) -> None:
        self._record(request, address, decision=refusal)
        error = _DIALECTS[address.dialect].error_reply(refusal, self._clock.now())
        await _send(connection, error.body, refusal.status, error.headers)

    def _record(
        self,
        request: HttpRequest,
        address: Address,
        asked: ModelRequest | None = None,
        choice: Choice | None = None,
        conversation: str = "",
        decision: Refusal | None = None,
    ) -> None:
        if self._log is None:
            return
        entry = LoggedRequest(
            time=self._clock.now(),
            method=request.method,
            path=shown_target(request.target),
            headers=shown_headers(request.headers),
            dialect=None if address.purpose is Purpose.UNKNOWN else address.dialect,
            conversation=conversation,
            decision=decision,
        )
        if asked is not None and choice is not None:
            entry = _with_choice(entry, asked, choice)
        self._log.write(entry)


def _with_choice(entry: LoggedRequest, asked: ModelRequest, choice: Choice) -> LoggedRequest:
    is_answered = isinstance(choice.decision, Speech | ToolCall)
    return msgspec.structs.replace(
        entry,
        model=asked.model,
        step=choice.selection.step,
        marker=choice.selection.marker,
        place=choice.place,
        decision=choice.decision,
        usage=choice.usage if is_answered else None,
        prompt=choice.selection.prompt[:LIMIT_PROMPT_CHARS],
        turns=len(asked.turns),
        tools=tuple(tool.name for tool in asked.tools),
        is_stream=asked.is_stream,
    )


async def _send(
    connection: Connection,
    body: Mapping[str, object],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    await connection.send_json(status, headers or {}, msgspec.json.encode(body))


async def _send_reply(
    connection: Connection, dialect: Dialect, reply: Reply, *, is_stream: bool
) -> None:
    is_cut = isinstance(reply.decision, Break)
    if is_stream:
        await connection.send_events(dialect.stream_reply(reply), is_cut=is_cut)
    elif is_cut:
        await connection.send_half(msgspec.json.encode(dialect.whole_reply(reply)))
    else:
        await _send(connection, dialect.whole_reply(reply))
    if is_cut:
        connection.abort()


def _unreadable(request: HttpRequest) -> Refusal | None:
    """Why the body of a request cannot be read; None when it can."""
    if request.is_too_large:
        return Refusal(413, f"request body over {LIMIT_BODY_BYTES} bytes")
    encoding = dict(request.headers).get("content-encoding", "identity")
    if encoding != "identity":
        return Refusal(415, f"content-encoding {encoding:.40}: only plain JSON is understood")
    return None


def _session_ids(request: HttpRequest) -> list[str]:
    return [value for name, value in request.headers if name in SESSION_HEADERS]


def _token_count(dialect: DialectName, length_bytes: int) -> dict[str, object]:
    """Four bytes to a token: the usual rule of thumb, good enough for a script."""
    key = "totalTokens" if dialect is DialectName.GEMINI else "input_tokens"
    return {key: length_bytes // 4}
