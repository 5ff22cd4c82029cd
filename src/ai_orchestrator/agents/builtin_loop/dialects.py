"""The two ways to ask: OpenAI's Chat Completions, which most endpoints speak, and Anthropic's.

Pure: a conversation becomes a request, an answer becomes a turn with its usage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ai_orchestrator.agents.builtin_loop.conversation import Call, Result, Turn
from ai_orchestrator.agents.builtin_loop.endpoint import Request
from ai_orchestrator.agents.builtin_loop.tools import Tool

MAX_TOKENS = 16_000
ANTHROPIC_VERSION = "2023-06-01"


class AnswerError(Exception):
    """The endpoint answered something that is no answer of its dialect."""


@dataclass(frozen=True, slots=True)
class Model:
    """Which model to ask, and where."""

    api: str
    url: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The model's turn and what it cost; None: the endpoint does not say."""

    turn: Turn
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    is_cut: bool
    """It reached the limit of one answer."""


def request(model: Model, system: str, turns: Sequence[Turn], tools: Sequence[Tool]) -> Request:
    """The question that continues the conversation."""
    if model.api == "anthropic":
        return _anthropic_request(model, system, turns, tools)
    return _openai_request(model, system, turns, tools)


def reply(model: Model, answer: Mapping[str, object]) -> Reply:
    """The answer as a turn. Raises `AnswerError`."""
    try:
        return _anthropic_reply(answer) if model.api == "anthropic" else _openai_reply(answer)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise AnswerError(f"the endpoint's answer is not of the {model.api} API") from error


def _openai_request(
    model: Model, system: str, turns: Sequence[Turn], tools: Sequence[Tool]
) -> Request:
    messages: list[dict[str, object]] = [{"role": "system", "content": system}]
    for turn in turns:
        messages += _openai_messages(turn)
    functions = [
        {"name": one.name, "description": one.description, "parameters": one.schema()}
        for one in tools
    ]
    body = {
        "model": model.name,
        "messages": messages,
        "tools": [{"type": "function", "function": one} for one in functions],
    }
    headers = {"authorization": f"Bearer {model.key}"} if model.key else {}
    return Request(f"{model.url}/chat/completions", headers, body)


def _openai_messages(turn: Turn) -> list[dict[str, object]]:
    if turn.results:
        return [
            {"role": "tool", "tool_call_id": one.id, "content": _told(one)} for one in turn.results
        ]
    message: dict[str, object] = {"role": turn.role, "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in turn.calls
        ]
    return [message]


def _openai_reply(answer: Mapping[str, object]) -> Reply:
    choice = _first(answer["choices"])
    message = _mapping(choice["message"])
    calls = tuple(_openai_call(_mapping(one)) for one in _list(message.get("tool_calls")))
    usage = _mapping(answer.get("usage"))
    details = _mapping(usage.get("prompt_tokens_details"))
    return Reply(
        turn=Turn("assistant", _text(message.get("content")), calls),
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(details.get("cached_tokens")),
        is_cut=choice.get("finish_reason") == "length",
    )


def _openai_call(raw: Mapping[str, object]) -> Call:
    function = _mapping(raw["function"])
    given = function.get("arguments")
    try:
        arguments = json.loads(given) if isinstance(given, str) and given.strip() else given or {}
    except ValueError:
        arguments = None
    name, call_id = str(function["name"]), str(raw["id"])
    if not isinstance(arguments, dict):
        return Call(call_id, name, {}, problem="the arguments are no JSON object")
    return Call(call_id, name, arguments)


def _anthropic_request(
    model: Model, system: str, turns: Sequence[Turn], tools: Sequence[Tool]
) -> Request:
    described = [
        {"name": one.name, "description": one.description, "input_schema": one.schema()}
        for one in tools
    ]
    body = {
        "model": model.name,
        "max_tokens": MAX_TOKENS,
        "system": system,
        "messages": [_anthropic_message(turn) for turn in turns],
        "tools": described,
    }
    headers = {"x-api-key": model.key, "anthropic-version": ANTHROPIC_VERSION}
    return Request(f"{model.url}/v1/messages", headers, body)


def _anthropic_message(turn: Turn) -> dict[str, object]:
    blocks: list[dict[str, object]] = [
        {
            "type": "tool_result",
            "tool_use_id": one.id,
            "content": one.text,
            "is_error": one.is_error,
        }
        for one in turn.results
    ]
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    blocks += [
        {"type": "tool_use", "id": one.id, "name": one.name, "input": one.arguments}
        for one in turn.calls
    ]
    return {"role": "assistant" if turn.role == "assistant" else "user", "content": blocks}


def _anthropic_reply(answer: Mapping[str, object]) -> Reply:
    blocks = [_mapping(block) for block in _list(answer["content"])]
    usage = _mapping(answer.get("usage"))
    cached = _count(usage.get("cache_read_input_tokens"))
    written = _count(usage.get("cache_creation_input_tokens"))
    fresh = _count(usage.get("input_tokens"))
    return Reply(
        turn=Turn(
            "assistant",
            "".join(_text(block["text"]) for block in blocks if block["type"] == "text"),
            tuple(
                Call(str(one["id"]), str(one["name"]), dict(_mapping(one["input"])))
                for one in blocks
                if one["type"] == "tool_use"
            ),
        ),
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=_count(usage.get("output_tokens")),
        cached_tokens=cached,
        is_cut=answer.get("stop_reason") == "max_tokens",
    )


def _told(result: Result) -> str:
    return f"error: {result.text}" if result.is_error else result.text


def _first(value: object) -> Mapping[str, object]:
    return _mapping(_list(value)[0])


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
