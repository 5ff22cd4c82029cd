"""What a dialect is to the server, and what all four of them need to write a reply."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from ai_orchestrator.scripted.conversation import MalformedRequestError, ModelRequest
from ai_orchestrator.scripted.decision import Break, Refusal, Speech
from ai_orchestrator.scripted.scenario import Usage
from ai_orchestrator.scripted.tools import ToolCall

_PIECE_CHARS = 16  # small enough that a sentence arrives in several deltas
_LIMIT_PIECES = 64  # and a file in not too many

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Route(msgspec.Struct, frozen=True):
    """What the address of a request says where the body does not (Gemini)."""

    model: str = ""
    is_stream: bool = False


class Reply(msgspec.Struct, frozen=True):
    """What the model answers. A `Break` is written whole here; the server breaks it."""

    decision: Speech | ToolCall | Break
    model: str
    usage: Usage
    key: str
    """Unique within a conversation; ids are made from it, so that a retry gets the same ones."""
    created_s: int
    """Seconds since 1970."""
    wants_stream_usage: bool


class ErrorReply(msgspec.Struct, frozen=True):
    """An HTTP error in a vendor's own shape."""

    body: Mapping[str, object]
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Dialect(Protocol):
    """One wire format. The modules of this package are its implementations."""

    def read_request(self, body: bytes, route: Route) -> ModelRequest:
        """The request in the common form. Raises `MalformedRequestError`."""
        ...

    def whole_reply(self, reply: Reply) -> Mapping[str, object]:
        """The body of an answer that is not streamed."""
        ...

    def stream_reply(self, reply: Reply) -> Sequence[bytes]:
        """The server-sent events of a streamed answer, in order."""
        ...

    def error_reply(self, refusal: Refusal, now: datetime) -> ErrorReply:
        """`refusal` as this vendor would say it; `now` is what a reset is counted from."""
        ...


def decode(body: bytes, kind: type[_Struct]) -> _Struct:
    """The JSON `body` as `kind`. Raises `MalformedRequestError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(f"request body: {error}.") from error


def event(data: Mapping[str, object], name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


def pieces(text: str) -> list[str]:
    """`text` as a stream would bring it; at least one piece."""
    size = max(_PIECE_CHARS, len(text) // _LIMIT_PIECES)
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def retry_after(refusal: Refusal) -> str:
    """The header `retry-after`: whole seconds, never less than it takes."""
    return str(math.ceil(refusal.reset_s))


def arguments_json(call: ToolCall) -> str:
    """The arguments of a call as the JSON text that three of the dialects carry."""
    return msgspec.json.encode(call.arguments).decode()
