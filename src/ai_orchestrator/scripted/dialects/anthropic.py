"""Anthropic Messages: `POST /v1/messages`. Spoken by Claude Code, and by Copilot on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from ai_orchestrator.scripted.conversation import ModelRequest, Tool, Turn, TurnKind
from ai_orchestrator.scripted.decision import Refusal
from ai_orchestrator.scripted.dialects.dialect import (
    ErrorReply,
    Reply,
    Route,
    arguments_json,
    decode,
    event,
    pieces,
    retry_after,
)
from ai_orchestrator.scripted.scenario import DialectName
from ai_orchestrator.scripted.tools import ToolCall


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Tool(msgspec.Struct):
    name: str = ""
    input_schema: dict[str, object] = msgspec.field(default_factory=dict)


class _Format(msgspec.Struct):
    type: str = ""
    schema: dict[str, object] | None = None


class _OutputConfig(msgspec.Struct):
    format: _Format | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    system: str | list[_Block] = ""
    tools: list[_Tool] = []
    stream: bool = False
    max_tokens: int | None = None
    metadata: _Metadata | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None


def read_request(body: bytes, route: Route) -> ModelRequest:  # noqa: ARG001 - all is in the body
    """The request in the common form. Raises `MalformedRequestError`."""
    asked = decode(body, _Body)
    reply_format = asked.output_config.format if asked.output_config else asked.output_format
    return ModelRequest(
        dialect=DialectName.ANTHROPIC,
        model=asked.model,
        turns=tuple(turn for message in asked.messages for turn in _turns(message)),
        system="\n".join(block.text for block in _blocks(asked.system)),
        tools=tuple(Tool(tool.name, tool.input_schema) for tool in asked.tools if tool.name),
        is_stream=asked.stream,
        reply_schema=reply_format.schema if reply_format else None,
        limit_tokens=asked.max_tokens,
        session=(asked.metadata.user_id or "") if asked.metadata else "",
    )


def _blocks(content: str | list[_Block]) -> list[_Block]:
    return [_Block("text", content)] if isinstance(content, str) else content


def _turns(message: _Message) -> Iterator[Turn]:
    speaker = TurnKind.USER if message.role == "user" else TurnKind.MODEL
    for block in _blocks(message.content):
        match block.type:
            case "text":
                yield Turn(speaker, block.text)
            case "tool_use":
                yield Turn(TurnKind.TOOL_CALL)
            case "tool_result":
                yield Turn(TurnKind.TOOL_RESULT)
            case _:  # thinking, images, documents, results of server tools
                continue


def whole_reply(reply: Reply) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    return {
        **_head(reply),
        "content": [_block(reply)],
        "stop_reason": _stop_reason(reply),
        "usage": _usage(reply, reply.usage.output),
    }


def stream_reply(reply: Reply) -> list[bytes]:
    """The server-sent events of a streamed answer, in order."""
    block = _block(reply)
    if isinstance(reply.decision, ToolCall):
        start: dict[str, object] = {**block, "input": {}}
        text = arguments_json(reply.decision)
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(text)]
    else:
        start = {**block, "text": ""}
        text = reply.decision.text
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(text)]
    message = {
        **_head(reply),
        "content": [],
        "stop_reason": None,
        "usage": _usage(reply, 1),  # the real service counts the output only at the end, too
    }
    stop = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    data: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": start},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": _usage(reply, reply.usage.output)},
        {"type": "message_stop"},
    ]
    return [event(item, str(item["type"])) for item in data]


def _head(reply: Reply) -> dict[str, object]:
    return {
        "id": f"msg_{reply.key}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "stop_sequence": None,
    }


def _block(reply: Reply) -> dict[str, object]:
    call = reply.decision
    if not isinstance(call, ToolCall):
        return {"type": "text", "text": call.text}
    return {
        "type": "tool_use",
        "id": f"toolu_{reply.key}",
        "name": call.name,
        "input": call.arguments,
    }


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if isinstance(reply.decision, ToolCall) else "end_turn"


def _usage(reply: Reply, output: int) -> dict[str, int]:
    """Here, unlike in the other dialects, the input does not count what came from the cache."""
    return {
        "input_tokens": reply.usage.input - reply.usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.usage.cached,
        "output_tokens": output,
    }


_ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def error_reply(refusal: Refusal, now: datetime) -> ErrorReply:
    """`refusal` as Anthropic would say it."""
    kind = _ERROR_TYPES.get(refusal.status, "api_error")
    body: dict[str, object] = {
        "type": "error",
        "error": {"type": kind, "message": refusal.message},
    }
    if refusal.status != 429:
        return ErrorReply(body)
    reset = (now + timedelta(seconds=refusal.reset_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "retry-after": retry_after(refusal),
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": reset,
        "anthropic-ratelimit-tokens-reset": reset,
    }
    return ErrorReply(body, headers)
