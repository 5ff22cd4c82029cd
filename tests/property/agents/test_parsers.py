"""Parsers over arbitrary chunking, truncation and garbage."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.agents.orders import RECORDINGS, concluded, ending, events_of, parser

from ai_orchestrator.agents.usage import LIMIT_COST_USD, LIMIT_COUNT
from ai_orchestrator.base.command import Exit
from ai_orchestrator.model.agent import AgentEvent, EndSeen, Usage

STREAMS = {
    f"{path.parent.name}-{path.stem}": (path.parent.name, path.read_bytes())
    for path in sorted(RECORDINGS.glob("*/*.out"))
}
AGENTS = ["builtin", "claude", "codex", "command", "copilot", "gemini"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "item", "data", "usage", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
KINDS = [
    *("system", "assistant", "user", "result", "stream_event", "rate_limit_event"),
    *("thread.started", "item.started", "item.completed", "turn.completed", "turn.failed", "error"),
    *("init", "message", "tool_use", "tool_result"),
    *("model.call_start", "assistant.message", "tool.execution_complete", "session.error"),
    *("session", "text", "tool", "usage", "retry", "end"),
]


def fed(agent: str, chunks: list[bytes]) -> list[AgentEvent]:
    """The events of a stream that came in these chunks."""
    made = parser(agent)
    events = [event for chunk in chunks for event in made.feed(chunk)]
    return events + made.finish({}, Exit(0, None))


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_chunking_changes_nothing(name: str, data: st.DataObject) -> None:
    """However the pipe cuts the stream, in the middle of a letter too."""
    agent, stream = STREAMS[name]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=40).map(sorted))
    chunks = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert fed(agent, chunks) == events_of(agent, stream)


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_truncated_stream_is_never_a_success(name: str, data: st.DataObject) -> None:
    """Cut anywhere before its last line is whole."""
    agent, stream = STREAMS[name]
    whole = len(stream.rstrip())
    cut = data.draw(st.integers(0, whole - 1))
    assert concluded(events_of(agent, stream[:cut])).error_kind is not None


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_garbage_between_the_lines_survives(name: str, data: st.DataObject) -> None:
    """Warnings, binary, half lines: the events are the same."""
    agent, stream = STREAMS[name]
    lines = stream.splitlines(keepends=True)
    garbage = st.binary(max_size=60).map(lambda raw: b"~" + raw.replace(b"\n", b" ") + b"\n")
    place = data.draw(st.integers(0, len(lines)))
    dirty = b"".join([*lines[:place], data.draw(garbage), *lines[place:]])
    assert events_of(agent, dirty) == events_of(agent, stream)


@pytest.mark.parametrize("agent", AGENTS)
@given(stream=st.binary(max_size=400))
@example(stream=b'{"type":"result","is_error":false')
@example(stream=b"\xed\xa0\xbd\n{\n")
@settings(max_examples=60, deadline=None)
def test_any_bytes_do_no_harm(agent: str, stream: bytes) -> None:
    """On both streams, and nothing of it is a success but for the text back end."""
    made = parser(agent)
    events = made.feed(stream) + made.feed_stderr(stream) + made.finish({}, Exit(0, None))
    assert agent == "command" or concluded(events).error_kind is not None


@pytest.mark.parametrize("agent", [agent for agent in AGENTS if agent != "command"])
@given(events=st.lists(st.tuples(st.sampled_from(KINDS), JSON), max_size=6))
@settings(max_examples=60, deadline=None)
def test_events_of_any_shape_do_no_harm(agent: str, events: list[tuple[str, object]]) -> None:
    """A program may change what its events hold; text stays writable as UTF-8."""
    objects = [
        {**(body if isinstance(body, dict) else {"message": body}), "type": kind}
        for kind, body in events
    ]
    stream = b"".join(json.dumps(one).encode() + b"\n" for one in objects)
    result = concluded(events_of(agent, stream), ending(1))
    assert result.error_kind is not None
    result.message.encode()
    result.final_text.encode()


NUMBERS = st.sampled_from(
    ["NaN", "sNaN", "-Infinity", "1e999999999", "-3.5", "1e-999999", "0.25", -1, 10**30, 2**63, 7]
) | st.integers(-(10**20), 10**20)
FIGURES = (
    *("input_tokens", "output_tokens", "cached_tokens", "cached_input_tokens", "cached"),
    *("cache_read_input_tokens", "cache_creation_input_tokens", "turns", "num_turns"),
    *("total_cost_usd", "costUSD", "inputTokens", "outputTokens", "resets_at", "retry_delay_ms"),
    *("reset_s", "delay_s", "status", "error_status", "attempt", "exitCode"),
)


def lines_with(figures: dict[str, object]) -> bytes:
    """Every event in which an agent tells figures, with these in it."""
    model = {"usage": figures, "message": {"id": "m", "content": [], "usage": figures}}
    limits = {"rate_limit_info": {"status": "rejected", "resetsAt": figures.get("resets_at")}}
    more = {"model_usage_since_last_result": {"x": figures}, "stats": figures, "message": "x"}
    events = [
        {"type": "assistant", **model},
        {"type": "rate_limit_event", **limits},
        {"type": "system", "subtype": "api_retry", **figures},
        {"type": "retry", "message": "x", "delay_s": 1.0, **figures},
        {"type": "usage", "turns": 1, **figures},
        {"type": "turn.completed", **model},
        *({"type": "result", "is_error": error, **figures, **more} for error in (False, True)),
        {"type": "result", "status": "success", "sessionId": "s", "exitCode": 1, **figures},
        {"type": "end", "error_kind": "quota", **figures},
    ]
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


@pytest.mark.parametrize("agent", [agent for agent in AGENTS if agent != "command"])
@given(figures=st.dictionaries(st.sampled_from(FIGURES), NUMBERS, max_size=5))
@example(figures={"total_cost_usd": "NaN"})
@example(figures={"costUSD": "sNaN", "total_cost_usd": "0.25"})
@example(figures={"input_tokens": -(10**9), "output_tokens": 2**63})
@example(figures={"input_tokens": 10**30, "turns": 10**30, "num_turns": -4})
@settings(max_examples=60, deadline=None)
def test_numbers_of_a_stranger_can_be_added_and_stored(
    agent: str, figures: dict[str, object]
) -> None:
    """Nothing negative, nothing endless, nothing that a database or JSON does not hold."""
    made = parser(agent)
    events = made.feed(lines_with(figures)) + made.finish({}, Exit(0, None))
    told = concluded(events)
    thread = made.thread_usage or Usage()
    for usage in (told.usage, thread, told.usage.plus(thread)):
        for number in (usage.input_tokens, usage.output_tokens, usage.cached_tokens, told.turns):
            assert number is None or 0 <= number <= 2 * LIMIT_COUNT
        assert usage.cost_usd is None or 0 <= usage.cost_usd <= 2 * LIMIT_COST_USD
        assert len(f"{usage.cost_usd or 0:f}") < 40
    for event in events:
        msgspec.json.encode(event)
    assert timedelta(seconds=told.reset_s or 0.0) >= timedelta(0)


@given(text=st.text(), chunks=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_plain_text_arrives_whole(text: str, chunks: int) -> None:
    """The text back end gives back what was printed."""
    raw = text.encode("utf-8", "replace")
    size = max(1, len(raw) // chunks)
    events = fed("command", [raw[i : i + size] for i in range(0, len(raw), size)])
    (end,) = [event for event in events if isinstance(event, EndSeen)]
    assert end.final_text == raw.decode("utf-8", "replace").strip()
