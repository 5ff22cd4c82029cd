"""HTTP/1.1 over one connection: requests in, answers out, and the ways in which providers fail.

Called by `server`, which owns the connections. h11 reads and writes the protocol; this file moves
the bytes and sees to it that nothing waits without an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import h11
import msgspec

LIMIT_BODY_BYTES = 64 * 1024 * 1024
"""Above the largest request that the vendors accept (32 MB)."""
IDLE_TIMEOUT_S = 300.0
WRITE_TIMEOUT_S = 30.0
HANG_TIMEOUT_S = 3600.0
"""Longer than any agent waits, so that it is always the agent that gives up."""

_CHUNK_BYTES = 64 * 1024


class HttpRequest(msgspec.Struct, frozen=True):
    """One request, read to its end."""

    method: str
    target: str
    """Path and query."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes
    is_too_large: bool = False
    """The body was longer than `LIMIT_BODY_BYTES` and is not kept."""


class ClientGoneError(Exception):
    """The client closed the connection, or it stopped reading."""


class Connection:
    """One client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER)
        self._is_head = False  # the request being answered asks for the head alone

    async def serve(self, answer: Callable[[HttpRequest, Connection], Awaitable[None]]) -> None:
        """Answers request after request until the client goes away or sends nonsense."""
        try:
            while (request := await self._next_request()) is not None:
                await answer(request, self)
                if self._protocol.our_state is not h11.DONE:
                    break
                if self._protocol.their_state is not h11.DONE:
                    break
                self._protocol.start_next_cycle()
        except (ClientGoneError, OSError, TimeoutError, h11.RemoteProtocolError):
            return  # each of them means that there is nobody to answer in HTTP
        finally:
            self._writer.close()

    async def send_json(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer."""
        length = {"content-type": "application/json", "content-length": str(len(body))}
        await self._send(
            h11.Response(status_code=status, headers=[*length.items(), *headers.items()]),
            h11.Data(data=b"" if self._is_head else body),
            h11.EndOfMessage(),
        )

    async def send_events(self, events: Sequence[bytes], *, is_cut: bool) -> None:
        """A stream of server-sent events; when it `is_cut`, half of them and then no end."""
        await self._send(
            h11.Response(
                status_code=200,
                headers=[("content-type", "text/event-stream"), ("cache-control", "no-cache")],
            )
        )
        for event in events[: len(events) // 2] if is_cut else events:
            await self._send(h11.Data(data=event))
        if not is_cut:
            await self._send(h11.EndOfMessage())

    async def send_half(self, body: bytes) -> None:
        """The first half of a whole answer, after which the connection has to be broken."""
        length = [("content-type", "application/json"), ("content-length", str(len(body)))]
        await self._send(h11.Response(status_code=200, headers=length))
        await self._send(h11.Data(data=body[: len(body) // 2]))

    def abort(self) -> None:
        """Closes the connection at once, whatever the client still waits for."""
        self._writer.transport.abort()

    async def pause(self, duration_s: float) -> None:
        """Returns after `duration_s`. Raises `ClientGoneError` when the client goes before."""
        try:
            async with asyncio.timeout(duration_s):
                # One chunk more is a client that sends its next request early: it is still there.
                # A second one would be a flood, which nobody is going to read.
                if await self._receive():
                    await self._receive()
        except TimeoutError:
            return
        raise ClientGoneError

    async def _next_request(self) -> HttpRequest | None:
        """The next request, or None when there is none left."""
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self._is_head = head.method == b"HEAD"
        if self._protocol.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        body, length = [], 0
        while isinstance(part := await self._event(), h11.Data):
            length += len(part.data)
            if length <= LIMIT_BODY_BYTES:
                body.append(bytes(part.data))
        if not isinstance(part, h11.EndOfMessage):
            return None
        is_too_large = length > LIMIT_BODY_BYTES
        return HttpRequest(
            method=head.method.decode(),
            target=head.target.decode(),
            headers=tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers),
            body=b"" if is_too_large else b"".join(body),
            is_too_large=is_too_large,
        )

    async def _event(self) -> object:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                await self._receive()
        return event

    async def _receive(self) -> bool:
        """Whether more came; False at the end of what the client sends."""
        data = await self._reader.read(_CHUNK_BYTES)
        self._protocol.receive_data(data)
        return bool(data)

    async def _send(self, *parts: h11.Event) -> None:
        data = b"".join(self._protocol.send(part) or b"" for part in parts)
        self._writer.write(data)
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await self._writer.drain()
