"""Each dialect reads its own requests into the common form."""

from __future__ import annotations

import json

import pytest

from ai_orchestrator.scripted.conversation import (
    MalformedRequestError,
    ModelRequest,
    Tool,
    Turn,
    TurnKind,
)
from ai_orchestrator.scripted.dialects import anthropic, chat, gemini, responses
from ai_orchestrator.scripted.dialects.dialect import Dialect, Route
from ai_orchestrator.scripted.scenario import DialectName

SCHEMA: dict[str, object] = {"type": "object", "properties": {"path": {"type": "string"}}}
READ = Tool("Read", SCHEMA)
HISTORY = (
    Turn(TurnKind.USER, "reminder"),
    Turn(TurnKind.USER, "prompt"),
    Turn(TurnKind.MODEL, "I look."),
    Turn(TurnKind.TOOL_CALL),
    Turn(TurnKind.TOOL_RESULT),
)


def read(dialect: Dialect, body: dict[str, object], route: Route | None = None) -> ModelRequest:
    """The request as the server would read it."""
    return dialect.read_request(json.dumps(body).encode(), route or Route())


def test_anthropic_request() -> None:
    """Blocks of one message are turns of their own; unknown blocks are passed over."""
    asked = read(
        anthropic,
        {
            "model": "claude",
            "system": [{"type": "text", "text": "You are."}, {"type": "text", "text": "Here."}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "reminder"},
                        {"type": "text", "text": "prompt", "cache_control": {"type": "ephemeral"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "text", "text": "I look."},
                        {"type": "tool_use", "id": "t1", "name": "Read", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t1",
                            "content": [{"type": "image", "source": {}}],
                        }
                    ],
                },
            ],
            "tools": [
                {"name": "Read", "input_schema": SCHEMA},
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
            ],
            "stream": True,
            "max_tokens": 32000,
            "metadata": {"user_id": "user_1_session_2"},
        },
    )
    assert asked == ModelRequest(
        dialect=DialectName.ANTHROPIC,
        model="claude",
        turns=HISTORY,
        system="You are.\nHere.",
        tools=(READ, Tool("web_search")),
        is_stream=True,
        limit_tokens=32000,
        session="user_1_session_2",
    )


def test_responses_request() -> None:
    """Items are turns; the developer's texts belong to the system."""
    asked = read(
        responses,
        {
            "model": "gpt",
            "instructions": "You are.",
            "input": [
                {"type": "message", "role": "developer", "content": [{"text": "Here."}]},
                {"type": "message", "role": "user", "content": "reminder"},
                {"role": "user", "content": [{"type": "input_text", "text": "prompt"}]},
                {"type": "reasoning", "summary": [], "encrypted_content": "x"},
                {"type": "message", "role": "assistant", "content": [{"text": "I look."}]},
                {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "x"},
                {"type": "custom_tool_call_output", "call_id": "c", "output": "Success."},
            ],
            "tools": [
                {"type": "function", "name": "Read", "parameters": SCHEMA, "strict": False},
                {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
                {"type": "web_search"},
            ],
            "stream": True,
            "prompt_cache_key": "thread-1",
        },
    )
    assert asked == ModelRequest(
        dialect=DialectName.RESPONSES,
        model="gpt",
        turns=HISTORY,
        system="You are.\nHere.",
        tools=(READ, Tool("apply_patch", is_freeform=True)),
        is_stream=True,
        session="thread-1",
    )


def test_responses_tools_may_travel_inside_the_input() -> None:
    """Codex with gpt-6 models sends no list of tools but an item with a namespace of them."""
    namespace = {
        "type": "namespace",
        "name": "functions",
        "tools": [{"type": "custom", "name": "exec"}, {"type": "function", "name": "ask"}],
    }
    asked = read(
        responses,
        {
            "model": "gpt-6",
            "input": [
                {"type": "additional_tools", "tools": [namespace]},
                {"type": "message", "role": "user", "content": "prompt"},
            ],
        },
    )
    assert asked.tools == (Tool("exec", is_freeform=True), Tool("ask"))
    assert asked.turns == (Turn(TurnKind.USER, "prompt"),)


def test_responses_input_may_be_a_text() -> None:
    """The short form that people type by hand."""
    assert read(responses, {"model": "m", "input": "hi"}).turns == (Turn(TurnKind.USER, "hi"),)


def test_chat_request() -> None:
    """Each tool message is one result, each tool call one call."""
    asked = read(
        chat,
        {
            "model": "gpt",
            "messages": [
                {"role": "system", "content": "You are."},
                {"role": "user", "content": "reminder"},
                {"role": "user", "content": [{"type": "text", "text": "prompt"}]},
                {
                    "role": "assistant",
                    "content": "I look.",
                    "tool_calls": [{"id": "c", "function": {"name": "Read", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "x = 1"},
            ],
            "tools": [{"type": "function", "function": {"name": "Read", "parameters": SCHEMA}}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": 9,
        },
    )
    assert asked == ModelRequest(
        dialect=DialectName.CHAT,
        model="gpt",
        turns=HISTORY,
        system="You are.",
        tools=(READ,),
        is_stream=True,
        limit_tokens=9,
    )


def test_gemini_request() -> None:
    """Model and stream stand in the address; thoughts are not said."""
    asked = read(
        gemini,
        {
            "systemInstruction": {"role": "user", "parts": [{"text": "You are."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "reminder"}, {"text": "prompt"}]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "I look."},
                        {"functionCall": {"name": "Read", "args": {}}, "thoughtSignature": "s"},
                    ],
                },
                {"role": "user", "parts": [{"functionResponse": {"name": "Read"}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "Read", "parametersJsonSchema": SCHEMA}]}],
            "generationConfig": {"maxOutputTokens": 9, "thinkingConfig": {}},
        },
        Route("gemini-x", is_stream=True),
    )
    assert asked == ModelRequest(
        dialect=DialectName.GEMINI,
        model="gemini-x",
        turns=HISTORY,
        system="You are.",
        tools=(READ,),
        is_stream=True,
        limit_tokens=9,
    )


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            anthropic,
            {
                "model": "m",
                "messages": [],
                "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
            },
        ),
        (responses, {"model": "m", "input": [], "text": {"format": {"schema": SCHEMA}}}),
        (
            chat,
            {
                "model": "m",
                "messages": [],
                "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            },
        ),
        (gemini, {"generationConfig": {"responseJsonSchema": SCHEMA}}),
        (gemini, {"generationConfig": {"responseSchema": SCHEMA}}),
    ],
    ids=["anthropic", "responses", "chat", "gemini", "gemini-own"],
)
def test_schema_of_the_reply_is_found(dialect: Dialect, body: dict[str, object]) -> None:
    """Each vendor has its own place for it."""
    assert read(dialect, body).reply_schema == SCHEMA


@pytest.mark.parametrize("dialect", [anthropic, responses, chat, gemini])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": 3, "input": 3, "contents": 3}'])
def test_malformed_request_is_reported(dialect: Dialect, body: bytes) -> None:
    """Nonsense is the client's fault and never ours."""
    with pytest.raises(MalformedRequestError, match=r"^request body: "):
        dialect.read_request(body, Route())
