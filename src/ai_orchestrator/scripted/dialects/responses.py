"""OpenAI Responses: `POST /v1/responses`. Spoken by Codex, and by Copilot on request."""

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


class _Tool(msgspec.Struct):
    type: str = "function"
    name: str = ""
    parameters: dict[str, object] | None = None
    tools: list[_Tool] = []


class _Item(msgspec.Struct):
    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    tools: list[_Tool] = []


class _Format(msgspec.Struct):
    schema: dict[str, object] | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Body(msgspec.Struct):
    model: str
    input: str | list[_Item]
    instructions: str | None = None
    tools: list[_Tool] | None = None
    stream: bool | None = False
    max_output_tokens: int | None = None
    text: _Text | None = None
    prompt_cache_key: str | None = None


def read_request(body: bytes, route: Route) -> ModelRequest:  # noqa: ARG001 - all is in the body
    """The request in the common form. Raises `MalformedRequestError`."""
    asked = decode(body, _Body)
    items = _items(asked)
    # Codex with gpt-6 models sends no `tools` but an input item that holds them.
    offered = [*(asked.tools or []), *(tool for item in items for tool in item.tools)]
    system = [_text(item) for item in items if item.role in {"system", "developer"}]
    reply_format = asked.text.format if asked.text else None
    return ModelRequest(
        dialect=DialectName.RESPONSES,
        model=asked.model,
        turns=tuple(turn for item in items for turn in _turns(item)),
        system="\n".join([asked.instructions or "", *system]),
        tools=tuple(tool for spec in offered for tool in _tools(spec)),
        is_stream=bool(asked.stream),
        reply_schema=reply_format.schema if reply_format else None,
        limit_tokens=asked.max_output_tokens,
        session=asked.prompt_cache_key or "",
    )


def _items(asked: _Body) -> list[_Item]:
    if isinstance(asked.input, str):
        return [_Item(role="user", content=asked.input)]
    return asked.input


def _text(item: _Item) -> str:
    if isinstance(item.content, str):
        return item.content
    return "\n".join(part.text or "" for part in item.content or [])


def _turns(item: _Item) -> Iterator[Turn]:
    if item.type == "message" and item.role == "user":
        yield Turn(TurnKind.USER, _text(item))
    elif item.type == "message" and item.role == "assistant":
        yield Turn(TurnKind.MODEL, _text(item))
    elif item.type.endswith("_call"):  # function_call, custom_tool_call, local_shell_call
        yield Turn(TurnKind.TOOL_CALL)
    elif item.type.endswith("_output"):
        yield Turn(TurnKind.TOOL_RESULT)


def _tools(spec: _Tool) -> Iterator[Tool]:
    if spec.type == "namespace":
        for inner in spec.tools:
            yield from _tools(inner)
    elif spec.name:  # the provider's own tools, such as web_search, have a type alone
        yield Tool(spec.name, spec.parameters or {}, is_freeform=spec.type == "custom")


def whole_reply(reply: Reply) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    return {
        **_head(reply),
        "status": "completed",
        "output": [_item(reply)],
        "usage": _usage(reply),
    }


def stream_reply(reply: Reply) -> list[bytes]:
    """The server-sent events of a streamed answer, in order."""
    item = _item(reply)
    started = {**_head(reply), "status": "in_progress", "output": []}
    if isinstance(reply.decision, ToolCall):
        middle = _call_events(reply.decision, item)
    else:
        middle = _text_events(reply.decision.text, item)
    data: list[dict[str, object]] = [
        {"type": "response.created", "response": started},
        *middle,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole_reply(reply)},
    ]
    return [
        event({**entry, "sequence_number": number}, str(entry["type"]))
        for number, entry in enumerate(data)
    ]


def _call_events(call: ToolCall, item: dict[str, object]) -> Iterator[dict[str, object]]:
    if call.freeform is None:
        field, prefix = "arguments", "response.function_call_arguments"
    else:
        field, prefix = "input", "response.custom_tool_call_input"
    place = {"item_id": item["id"], "output_index": 0}
    blank = {**item, "status": "in_progress", field: ""}
    yield {"type": "response.output_item.added", "output_index": 0, "item": blank}
    for piece in pieces(str(item[field])):
        yield {"type": f"{prefix}.delta", **place, "delta": piece}
    yield {"type": f"{prefix}.done", **place, field: item[field]}


def _text_events(text: str, item: dict[str, object]) -> Iterator[dict[str, object]]:
    blank = {**item, "status": "in_progress", "content": []}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": 0, "item": blank}
    yield {"type": "response.content_part.added", **place, "part": _output_text("")}
    for piece in pieces(text):
        yield {"type": "response.output_text.delta", **place, "delta": piece}
    yield {"type": "response.output_text.done", **place, "text": text}
    yield {"type": "response.content_part.done", **place, "part": _output_text(text)}


def _head(reply: Reply) -> dict[str, object]:
    return {
        "id": f"resp_{reply.key}",
        "object": "response",
        "created_at": reply.created_s,
        "model": reply.model,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "temperature": 1,
        "top_p": 1,
    }


def _item(reply: Reply) -> dict[str, object]:
    call, key = reply.decision, reply.key
    if not isinstance(call, ToolCall):
        content = [_output_text(call.text)]
        item = {"type": "message", "id": f"msg_{key}", "role": "assistant", "content": content}
    elif call.freeform is not None:
        item = {"type": "custom_tool_call", "id": f"ctc_{key}", "input": call.freeform}
    else:
        item = {"type": "function_call", "id": f"fc_{key}", "arguments": arguments_json(call)}
    if isinstance(call, ToolCall):
        item |= {"call_id": f"call_{key}", "name": call.name}
    return {**item, "status": "completed"}


def _output_text(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": []}


def _usage(reply: Reply) -> dict[str, object]:
    usage = reply.usage
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input + usage.output,
    }


def error_reply(refusal: Refusal, now: datetime) -> ErrorReply:
    """`refusal` as OpenAI would say it."""
    return openai_error.error_reply(refusal, now)
