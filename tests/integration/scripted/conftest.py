"""A client of each dialect that knows no more of the server than a vendor's own client would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import pytest

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the model answered, whichever way it was sent."""

    text: str = ""
    tool: str = ""
    arguments: Json = field(default_factory=dict)
    freeform: str = ""
    call_id: str = ""
    usage: tuple[int, int, int] | None = None
    """Input with what was cached, output, cached."""


@dataclass(frozen=True)
class Spoken:
    """A turn of the history: the user's text, or a tool call with its result."""

    text: str = ""
    tool: str = ""
    arguments: Json = field(default_factory=dict)
    result: str = ""
    call_id: str = "c1"


Tools = Mapping[str, Json]
"""Name of the tool to the properties of its arguments."""


class Speaker(Protocol):
    """One dialect from the client's side."""

    name: str

    def address(self, *, is_stream: bool) -> str:
        """Path and query."""
        ...

    def body(self, history: list[Spoken], tools: Tools, *, is_stream: bool) -> Json:
        """The request."""
        ...

    def whole(self, answer: Json) -> Answer:
        """What an answer in one piece says."""
        ...

    def streamed(self, events: list[Json]) -> Answer:
        """What the events of a stream add up to."""
        ...


def schema(properties: Json) -> Json:
    """The schema of a tool's arguments."""
    return {"type": "object", "properties": properties}


class Anthropic:
    """Messages."""

    name = "anthropic"

    def address(self, *, is_stream: bool) -> str:
        return "/v1/messages?beta=true"

    def body(self, history: list[Spoken], tools: Tools, *, is_stream: bool) -> Json:
        messages: list[Json] = []
        for turn in history:
            if turn.tool:
                use = {"type": "tool_use", "id": turn.call_id, "name": turn.tool}
                result = {
                    "type": "tool_result",
                    "tool_use_id": turn.call_id,
                    "content": turn.result,
                }
                messages.append(
                    {"role": "assistant", "content": [{**use, "input": turn.arguments}]}
                )
                messages.append({"role": "user", "content": [result]})
            else:
                messages.append({"role": "user", "content": turn.text})
        offered = [{"name": name, "input_schema": schema(args)} for name, args in tools.items()]
        return {
            "model": "m",
            "max_tokens": 999,
            "messages": messages,
            "tools": offered,
            "stream": is_stream,
        }

    def whole(self, answer: Json) -> Answer:
        (block,) = answer["content"]
        assert answer["stop_reason"] == ("tool_use" if block["type"] == "tool_use" else "end_turn")
        return self._answer(block, answer["usage"])

    def streamed(self, events: list[Json]) -> Answer:
        assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
        (block,) = (e["content_block"] for e in events if e["type"] == "content_block_start")
        deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
        if block["type"] == "tool_use":
            block["input"] = json.loads("".join(delta["partial_json"] for delta in deltas))
        else:
            block["text"] = "".join(delta["text"] for delta in deltas)
        return self._answer(block, events[-2]["usage"])

    def _answer(self, block: Json, usage: Json) -> Answer:
        cached = usage["cache_read_input_tokens"]
        counts = usage["input_tokens"] + cached, usage["output_tokens"], cached
        if block["type"] == "tool_use":
            return Answer(
                tool=block["name"], arguments=block["input"], call_id=block["id"], usage=counts
            )
        return Answer(text=block["text"], usage=counts)


class Responses:
    """Responses; a tool without properties is offered as a freeform one."""

    name = "responses"

    def address(self, *, is_stream: bool) -> str:
        return "/v1/responses"

    def body(self, history: list[Spoken], tools: Tools, *, is_stream: bool) -> Json:
        items: list[Json] = []
        for turn in history:
            if turn.tool:
                call = {"type": "function_call", "call_id": turn.call_id, "name": turn.tool}
                items.append({**call, "arguments": json.dumps(turn.arguments)})
                items.append(
                    {"type": "function_call_output", "call_id": turn.call_id, "output": turn.result}
                )
            else:
                items.append({"type": "message", "role": "user", "content": [{"text": turn.text}]})
        offered = [
            {"type": "function", "name": name, "parameters": schema(args)}
            if args
            else {"type": "custom", "name": name}
            for name, args in tools.items()
        ]
        return {"model": "m", "input": items, "tools": offered, "stream": is_stream}

    def whole(self, answer: Json) -> Answer:
        assert answer["status"] == "completed"
        (item,) = answer["output"]
        usage = answer["usage"]
        cached = usage["input_tokens_details"]["cached_tokens"]
        counts = usage["input_tokens"], usage["output_tokens"], cached
        if item["type"] == "custom_tool_call":
            return Answer(
                tool=item["name"], freeform=item["input"], call_id=item["call_id"], usage=counts
            )
        if item["type"] == "function_call":
            arguments = json.loads(item["arguments"])
            return Answer(
                tool=item["name"], arguments=arguments, call_id=item["call_id"], usage=counts
            )
        return Answer(text=item["content"][0]["text"], usage=counts)

    def streamed(self, events: list[Json]) -> Answer:
        assert [e["sequence_number"] for e in events] == list(range(len(events)))
        assert events[0]["type"] == "response.created"
        assert events[-1]["type"] == "response.completed"
        deltas = "".join(e["delta"] for e in events if e["type"].endswith(".delta"))
        answer = self.whole(events[-1]["response"])
        assert deltas == (
            answer.text or answer.freeform or json.dumps(answer.arguments, separators=(",", ":"))
        )
        return answer


class Chat:
    """Chat Completions."""

    name = "chat"

    def address(self, *, is_stream: bool) -> str:
        return "/v1/chat/completions"

    def body(self, history: list[Spoken], tools: Tools, *, is_stream: bool) -> Json:
        messages: list[Json] = []
        for turn in history:
            if turn.tool:
                function = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
                call = {"id": turn.call_id, "type": "function", "function": function}
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
                messages.append(
                    {"role": "tool", "tool_call_id": turn.call_id, "content": turn.result}
                )
            else:
                messages.append({"role": "user", "content": turn.text})
        offered = [
            {"type": "function", "function": {"name": name, "parameters": schema(args)}}
            for name, args in tools.items()
        ]
        body: Json = {"model": "m", "messages": messages, "tools": offered, "stream": is_stream}
        return body | ({"stream_options": {"include_usage": True}} if is_stream else {})

    def whole(self, answer: Json) -> Answer:
        (choice,) = answer["choices"]
        return self._answer(choice["message"], choice["finish_reason"], answer["usage"])

    def streamed(self, events: list[Json]) -> Answer:
        *chunks, last = events
        assert last["choices"] == []
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert deltas[0] == {"role": "assistant", "content": ""}
        message: Json = {"content": "".join(delta.get("content") or "" for delta in deltas)}
        calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
        if calls:
            message["tool_calls"] = calls
        finish = chunks[-1]["choices"][0]["finish_reason"]
        return self._answer(message, finish, last["usage"])

    def _answer(self, message: Json, finish: str, usage: Json) -> Answer:
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        counts = usage["prompt_tokens"], usage["completion_tokens"], cached
        if "tool_calls" in message:
            assert finish == "tool_calls"
            (call,) = message["tool_calls"]
            function = call["function"]
            arguments = json.loads(function["arguments"])
            return Answer(
                tool=function["name"], arguments=arguments, call_id=call["id"], usage=counts
            )
        assert finish == "stop"
        return Answer(text=message["content"], usage=counts)


class Gemini:
    """generateContent."""

    name = "gemini"

    def address(self, *, is_stream: bool) -> str:
        method = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
        return f"/v1beta/models/m:{method}"

    def body(self, history: list[Spoken], tools: Tools, *, is_stream: bool) -> Json:
        contents: list[Json] = []
        for turn in history:
            if turn.tool:
                call = {"functionCall": {"name": turn.tool, "args": turn.arguments}}
                response = {"name": turn.tool, "response": {"output": turn.result}}
                contents.append({"role": "model", "parts": [call]})
                contents.append({"role": "user", "parts": [{"functionResponse": response}]})
            else:
                contents.append({"role": "user", "parts": [{"text": turn.text}]})
        declared = [
            {"name": name, "parametersJsonSchema": schema(args)} for name, args in tools.items()
        ]
        return {"contents": contents, "tools": [{"functionDeclarations": declared}]}

    def whole(self, answer: Json) -> Answer:
        return self.streamed([answer])

    def streamed(self, events: list[Json]) -> Answer:
        candidates = [event["candidates"][0] for event in events]
        assert [c.get("finishReason") for c in candidates] == [None] * (len(events) - 1) + ["STOP"]
        parts = [part for candidate in candidates for part in candidate["content"]["parts"]]
        usage = events[-1]["usageMetadata"]
        counts = (
            usage["promptTokenCount"],
            usage["candidatesTokenCount"],
            usage["cachedContentTokenCount"],
        )
        if "functionCall" in parts[0]:
            call = parts[0]["functionCall"]
            return Answer(tool=call["name"], arguments=call["args"], usage=counts)
        return Answer(text="".join(part["text"] for part in parts), usage=counts)


SPEAKERS: dict[str, Speaker] = {
    speaker.name: speaker for speaker in (Anthropic(), Responses(), Chat(), Gemini())
}


@pytest.fixture(params=list(SPEAKERS))
def speaker(request: pytest.FixtureRequest) -> Speaker:
    """Each dialect in turn."""
    return SPEAKERS[request.param]


@pytest.fixture(params=[True, False], ids=["streamed", "plain"])
def is_stream(request: pytest.FixtureRequest) -> bool:
    """Both ways to send an answer."""
    return bool(request.param)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client that waits ten seconds at most and knows no proxy."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        yield client


def events_of(body: str) -> list[Json]:
    """The data of server-sent events; each name, where given, is that of its data's type."""
    events: list[Json] = []
    for block in body.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if fields["data"] == "[DONE]":
            continue
        data: Json = json.loads(fields["data"])
        assert fields.get("event") in {None, data.get("type")}
        events.append(data)
    return events


def spoken(turn: str | tuple[Answer, str]) -> Spoken:
    """The user's text, or an earlier answer that called a tool, with the tool's result."""
    if isinstance(turn, str):
        return Spoken(turn)
    answer, result = turn
    return Spoken(
        tool=answer.tool, arguments=answer.arguments, result=result, call_id=answer.call_id
    )


Ask = Callable[..., Any]


@pytest.fixture
def ask(http: httpx.AsyncClient, speaker: Speaker) -> Ask:
    """Asks the server at an address and gives its `Answer`."""

    async def do(
        url: str,
        history: list[str | tuple[Answer, str]],
        tools: Tools | None = None,
        *,
        is_stream: bool = True,
    ) -> Answer:
        turns = [spoken(turn) for turn in history]
        body = speaker.body(turns, tools or {}, is_stream=is_stream)
        response = await http.post(url + speaker.address(is_stream=is_stream), json=body)
        assert response.status_code == 200, response.text
        if not is_stream:
            return speaker.whole(response.json())
        assert response.headers["content-type"] == "text/event-stream"
        return speaker.streamed(events_of(response.text))

    return do


@pytest.fixture
def post(http: httpx.AsyncClient, speaker: Speaker) -> Ask:
    """Asks with one text and no tools, and gives the HTTP response."""

    async def do(url: str, text: str, *, is_stream: bool = True) -> httpx.Response:
        body = speaker.body([Spoken(text)], {}, is_stream=is_stream)
        return await http.post(url + speaker.address(is_stream=is_stream), json=body)

    return do
