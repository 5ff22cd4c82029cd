"""Gemini: `POST /v1beta/models/MODEL:generateContent` and its streaming form. By Gemini CLI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from ai_orchestrator.scripted.conversation import ModelRequest, Tool, Turn, TurnKind
from ai_orchestrator.scripted.decision import Refusal
from ai_orchestrator.scripted.dialects.dialect import (
    ErrorReply,
    Reply,
    Route,
    decode,
    event,
    pieces,
    retry_after,
)
from ai_orchestrator.scripted.scenario import DialectName
from ai_orchestrator.scripted.tools import ToolCall


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool = False
    function_call: dict[str, object] | None = None
    function_response: dict[str, object] | None = None


class _Content(msgspec.Struct):
    role: str = "user"
    parts: list[_Part] = []


class _Function(msgspec.Struct, rename="camel"):
    name: str
    parameters_json_schema: dict[str, object] | None = None
    parameters: dict[str, object] | None = None


class _Tools(msgspec.Struct, rename="camel"):
    function_declarations: list[_Function] = []


class _Config(msgspec.Struct, rename="camel"):
    response_json_schema: dict[str, object] | None = None
    response_schema: dict[str, object] | None = None
    max_output_tokens: int | None = None


class _Body(msgspec.Struct, rename="camel"):
    contents: list[_Content] = []
    system_instruction: str | _Content | None = None
    tools: list[_Tools] = []
    generation_config: _Config = msgspec.field(default_factory=_Config)


def read_request(body: bytes, route: Route) -> ModelRequest:
    """The request in the common form. Raises `MalformedRequestError`."""
    asked = decode(body, _Body)
    config = asked.generation_config
    functions = [function for group in asked.tools for function in group.function_declarations]
    return ModelRequest(
        dialect=DialectName.GEMINI,
        model=route.model,
        turns=tuple(turn for content in asked.contents for turn in _turns(content)),
        system=_system(asked.system_instruction),
        tools=tuple(Tool(function.name, _schema(function)) for function in functions),
        is_stream=route.is_stream,
        reply_schema=config.response_json_schema or config.response_schema,
        limit_tokens=config.max_output_tokens,
    )


def _system(instruction: str | _Content | None) -> str:
    if isinstance(instruction, _Content):
        return "\n".join(part.text or "" for part in instruction.parts)
    return instruction or ""


def _schema(function: _Function) -> dict[str, object]:
    return function.parameters_json_schema or function.parameters or {}


def _turns(content: _Content) -> Iterator[Turn]:
    speaker = TurnKind.MODEL if content.role == "model" else TurnKind.USER
    for part in content.parts:
        if part.function_call is not None:
            yield Turn(TurnKind.TOOL_CALL)
        elif part.function_response is not None:
            yield Turn(TurnKind.TOOL_RESULT)
        elif part.text is not None and not part.thought:
            yield Turn(speaker, part.text)


def whole_reply(reply: Reply) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    call = reply.decision
    if isinstance(call, ToolCall):
        return _chunk(reply, {"functionCall": {"name": call.name, "args": call.arguments}}, "STOP")
    return _chunk(reply, {"text": call.text}, "STOP")


def stream_reply(reply: Reply) -> list[bytes]:
    """The server-sent events of a streamed answer, in order."""
    if isinstance(reply.decision, ToolCall):
        return [event(whole_reply(reply))]
    *begin, last = pieces(reply.decision.text)
    chunks = [_chunk(reply, {"text": piece}, None) for piece in begin]
    return [event(chunk) for chunk in (*chunks, _chunk(reply, {"text": last}, "STOP"))]


def _chunk(reply: Reply, part: Mapping[str, object], finish: str | None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = reply.usage
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": usage.input,
            "candidatesTokenCount": usage.output,
            "totalTokenCount": usage.input + usage.output,
            "cachedContentTokenCount": usage.cached,
        },
        "modelVersion": reply.model,
        "responseId": reply.key,
    }


_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}


def error_reply(refusal: Refusal, now: datetime) -> ErrorReply:  # noqa: ARG001 - counts in seconds
    """`refusal` as Google would say it."""
    error: dict[str, object] = {
        "code": refusal.status,
        "message": refusal.message,
        "status": _STATUSES.get(refusal.status, "INTERNAL"),
    }
    if refusal.status != 429:
        return ErrorReply({"error": error})
    error["details"] = [
        {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": f"{refusal.reset_s:g}s",
        }
    ]
    return ErrorReply({"error": error}, {"retry-after": retry_after(refusal)})
