"""OpenAI Chat Completions: `POST /v1/chat/completions`. Spoken by Copilot, OpenCode, Qwen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from ai_orchestrator.scripted.conversation import ModelRequest, Tool, Turn, TurnKind
from ai_orchestrator.scripted.decision import Refusal
from ai_orchestrator.scripted.dialects import openai_error
from ai_orchestrator.scripted.dialects.dialect import (
    ErrorReply,
    Reply,
    Route,
    arguments_json,
    decode,
    event,
    pieces,
)
from ai_orchestrator.scripted.scenario import DialectName
from ai_orchestrator.scripted.tools import ToolCall


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[dict[str, object]] | None = None


class _Function(msgspec.Struct):
    name: str = ""
    parameters: dict[str, object] | None = None


class _Tool(msgspec.Struct):
    function: _Function | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _JsonSchema(msgspec.Struct):
    schema: dict[str, object] | None = None


class _Format(msgspec.Struct):
    json_schema: _JsonSchema | None = None


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message]
    tools: list[_Tool] | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    response_format: _Format | None = None
    prompt_cache_key: str | None = None


def read_request(body: bytes, route: Route) -> ModelRequest:  # noqa: ARG001 - all is in the body
    """The request in the common form. Raises `MalformedRequestError`."""
    asked = decode(body, _Body)
    reply_format = asked.response_format.json_schema if asked.response_format else None
    functions = [tool.function for tool in asked.tools or [] if tool.function]
    return ModelRequest(
        dialect=DialectName.CHAT,
        model=asked.model,
        turns=tuple(turn for message in asked.messages for turn in _turns(message)),
        system="\n".join(
            _text(message) for message in asked.messages if message.role in {"system", "developer"}
        ),
        tools=tuple(Tool(function.name, function.parameters or {}) for function in functions),
        is_stream=bool(asked.stream),
        wants_stream_usage=asked.stream_options is not None and asked.stream_options.include_usage,
        reply_schema=reply_format.schema if reply_format else None,
        limit_tokens=asked.max_completion_tokens or asked.max_tokens,
        session=asked.prompt_cache_key or "",
    )


def _text(message: _Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text or "" for part in message.content or [])


def _turns(message: _Message) -> Iterator[Turn]:
    match message.role:
        case "user":
            yield Turn(TurnKind.USER, _text(message))
        case "tool":
            yield Turn(TurnKind.TOOL_RESULT)
        case "assistant":
            if text := _text(message):
                yield Turn(TurnKind.MODEL, text)
            for _ in message.tool_calls or []:
                yield Turn(TurnKind.TOOL_CALL)
        case _:  # system, developer
            return


def whole_reply(reply: Reply) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    if isinstance(reply.decision, ToolCall):
        message: dict[str, object] = {"content": None, "tool_calls": [_call(reply, reply.decision)]}
    else:
        message = {"content": reply.decision.text}
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "finish_reason": _finish_reason(reply),
    }
    head = _head(reply, "chat.completion")
    return {**head, "choices": [choice], "usage": _usage(reply)}


def stream_reply(reply: Reply) -> list[bytes]:
    """The server-sent events of a streamed answer, in order."""
    if isinstance(reply.decision, ToolCall):
        call: dict[str, object] = {"index": 0, **_call(reply, reply.decision)}
        deltas: list[dict[str, object]] = [{"tool_calls": [call]}]
    else:
        deltas = [{"content": piece} for piece in pieces(reply.decision.text)]
    head = _head(reply, "chat.completion.chunk")
    chunks: list[dict[str, object]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in ({"role": "assistant", "content": ""}, *deltas)
    ]
    end = {"index": 0, "delta": {}, "finish_reason": _finish_reason(reply)}
    chunks.append({**head, "choices": [end]})
    if reply.wants_stream_usage:
        chunks.append({**head, "choices": [], "usage": _usage(reply)})
    return [*(event(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


def _head(reply: Reply, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{reply.key}",
        "object": kind,
        "created": reply.created_s,
        "model": reply.model,
    }


def _call(reply: Reply, call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": arguments_json(call)}
    return {"id": f"call_{reply.key}", "type": "function", "function": function}


def _finish_reason(reply: Reply) -> str:
    return "tool_calls" if isinstance(reply.decision, ToolCall) else "stop"


def _usage(reply: Reply) -> dict[str, object]:
    usage = reply.usage
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }


def error_reply(refusal: Refusal, now: datetime) -> ErrorReply:
    """`refusal` as OpenAI would say it."""
    return openai_error.error_reply(refusal, now)
