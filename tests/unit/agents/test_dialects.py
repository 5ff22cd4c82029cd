"""Cases of the dialects that no recording holds: quotas, resumed conversations, lost sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import pytest
from tests.unit.agents.orders import NOW, concluded, ending, events_of, parser

from ai_orchestrator.base.command import Exit
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    ErrorKind,
    RetrySeen,
    SessionSeen,
    TextSeen,
    Usage,
    UsageSeen,
)


def stream(*events: Mapping[str, object]) -> bytes:
    """The events as a program prints them."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def claude_result(**changes: object) -> dict[str, object]:
    """A good end, changed."""
    good: dict[str, object] = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "ok",
        "num_turns": 1,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    return {**good, **changes}


def end_of(events: list[AgentEvent]) -> EndSeen:
    """The terminal event."""
    return next(event for event in events if isinstance(event, EndSeen))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"terminal_reason": "api_error", "api_error_status": 401}, "auth"),
        ({"terminal_reason": "api_error", "api_error_status": 403}, "auth"),
        ({"terminal_reason": "api_error", "api_error_status": 429}, "overloaded"),
        ({"terminal_reason": "api_error", "api_error_status": 529}, "overloaded"),
        ({"terminal_reason": "api_error"}, "overloaded"),
        ({"terminal_reason": "api_error", "api_error_status": 400}, "agent"),
        ({"terminal_reason": "budget_exhausted"}, "limit"),
        ({"subtype": "error_max_turns"}, "limit"),
        ({"subtype": "error_during_execution"}, "agent"),
    ],
)
def test_claude_is_judged_by_is_error_and_reason(
    changes: dict[str, object], kind: ErrorKind
) -> None:
    """`subtype` says success for a refused request."""
    assert (
        end_of(events_of("claude", stream(claude_result(is_error=True, **changes)))).error_kind
        == kind
    )


def test_claude_without_a_login_is_refused() -> None:
    """The status is missing then; the message before the end says why."""
    message = {"id": "m", "content": [{"type": "text", "text": "Not logged in"}]}
    lines = stream(
        {
            "type": "assistant",
            "message": message,
            "error": "authentication_failed",
            "is_api_error_message": True,
        },
        claude_result(is_error=True, terminal_reason="api_error", result="Not logged in"),
    )
    assert end_of(events_of("claude", lines)).error_kind == "auth"


@pytest.mark.parametrize("way", ["event", "text"])
def test_claude_tells_when_a_quota_lifts(way: str) -> None:
    """As seconds from now, by its event or in its older words."""
    reset = int(NOW.timestamp()) + 600
    event = {
        "type": "rate_limit_event",
        "rate_limit_info": {"status": "rejected", "resetsAt": reset},
    }
    text = f"Claude AI usage limit reached|{reset}" if way == "text" else "limit"
    end_event = claude_result(is_error=True, result=text)
    lines = stream(event, end_event) if way == "event" else stream(end_event)
    end = end_of(events_of("claude", lines))
    assert (end.error_kind, end.reset_s) == ("quota", 600.0)


def test_claude_counts_a_call_by_its_last_figures() -> None:
    """An `assistant` event repeats the figures of the start of the call."""
    start = {"input_tokens": 100, "cache_read_input_tokens": 50, "output_tokens": 1}
    message = {"id": "m1", "content": [], "usage": start}
    lines = stream(
        {"type": "stream_event", "event": {"type": "message_start", "message": message}},
        {
            "type": "stream_event",
            "event": {"type": "message_delta", "usage": {**start, "output_tokens": 30}},
        },
        {"type": "assistant", "message": message},
    )
    seen = [event.usage for event in events_of("claude", lines) if isinstance(event, UsageSeen)]
    assert seen == [Usage(150, 1, 50), Usage(150, 30, 50)]


def test_claude_cost_is_that_of_the_run() -> None:
    """`total_cost_usd` goes on from the runs before."""
    lines = stream(claude_result(total_cost_usd=0.75))
    earlier = Usage(cost_usd=Decimal("0.5"))
    assert concluded(events_of("claude", lines, earlier)).usage.cost_usd == Decimal("0.25")
    assert concluded(events_of("claude", lines)).usage.cost_usd == Decimal("0.75")


def test_claude_prefers_the_figures_since_the_last_result() -> None:
    """They are the run's own, with those of subagents."""
    model = {"inputTokens": 70, "outputTokens": 9, "costUSD": 0.1}
    lines = stream(
        claude_result(total_cost_usd=5, model_usage_since_last_result={"a": model, "b": model})
    )
    assert concluded(events_of("claude", lines)).usage == Usage(140, 18, 0, Decimal("0.2"))


def test_claude_answering_a_command_by_itself_is_no_success() -> None:
    """No turn: the model was never asked."""
    got = concluded(events_of("claude", stream(claude_result(num_turns=0))))
    assert got.error_kind == "agent"


def test_text_of_a_subagent_is_not_the_agents() -> None:
    """Only its consumption counts."""
    message = {"id": "m", "content": [{"type": "text", "text": "inner"}]}
    lines = stream({"type": "assistant", "message": message, "parent_tool_use_id": "toolu_1"})
    assert events_of("claude", lines) == []


def test_codex_usage_is_that_of_the_run() -> None:
    """It counts over the thread."""
    usage = {"input_tokens": 333, "cached_input_tokens": 33, "output_tokens": 66}
    lines = stream({"type": "turn.completed", "usage": usage})
    assert concluded(events_of("codex", lines, Usage(111, 22, 11))).usage == Usage(222, 44, 22)
    made = parser("codex", Usage(111, 22, 11))
    made.feed(lines)
    assert made.thread_usage == Usage(333, 66, 33)


def test_a_warning_of_codex_is_not_its_end() -> None:
    """An item of type error may be about missing metadata."""
    item = {"id": "i", "type": "error", "message": "Model metadata not found"}
    assert events_of("codex", stream({"type": "item.completed", "item": item})) == []


@pytest.mark.parametrize(
    ("message", "kind", "reset_s"),
    [
        ("unexpected status 401 Unauthorized: no", "auth", None),
        ("You've hit your usage limit. Try again in 2 days 3 hours 4 minutes.", "quota", 183_840.0),
        ("You've hit your usage limit. Upgrade to Pro.", "overloaded", None),
        ("We're currently experiencing high demand", "overloaded", None),
        ("unexpected status 503 Service Unavailable", "overloaded", None),
        ("stream disconnected before completion", "overloaded", None),
        ("context window exceeded", "agent", None),
    ],
)
def test_codex_failures_by_their_prose(
    message: str, kind: ErrorKind, reset_s: float | None
) -> None:
    """It gives no code."""
    end = end_of(events_of("codex", stream({"type": "turn.failed", "error": {"message": message}})))
    assert (end.error_kind, end.reset_s) == (kind, reset_s)


def test_gemini_tells_its_retries_on_stderr_only() -> None:
    """Standard output is silent meanwhile."""
    made = parser("gemini")
    line = b"Attempt 1 failed with status 429. Retrying with backoff...\nother\n"
    (retry,) = made.feed_stderr(line)
    assert isinstance(retry, RetrySeen)
    assert retry.status == 429


@pytest.mark.parametrize(
    ("message", "kind", "reset_s"),
    [
        ('{"error":{"code":429,"message":"slow down"}}', "overloaded", None),
        ("You exceeded your current quota. Please retry in 34.5s.", "quota", 34.5),
        ("Your quota will reset after 1h2m3s.", "quota", 3723.0),
        ('{"error":{"code":503}}', "overloaded", None),
        ("API_KEY_INVALID", "auth", None),
        ("something else", "agent", None),
    ],
)
def test_gemini_failures(message: str, kind: ErrorKind, reset_s: float | None) -> None:
    """By the code in the message, else by its words."""
    error = {"type": "unknown", "message": message}
    end = end_of(events_of("gemini", stream({"type": "result", "status": "error", "error": error})))
    assert (end.error_kind, end.reset_s) == (kind, reset_s)


def test_gemini_that_stopped_itself_is_no_success() -> None:
    """It reports "Loop detected" and then success without a word."""
    lines = stream(
        {"type": "error", "severity": "warning", "message": "Loop detected, stopping execution"},
        {"type": "result", "status": "success"},
    )
    end = end_of(events_of("gemini", lines))
    assert (end.error_kind, end.message) == ("agent", "Loop detected, stopping execution")


def test_copilot_usage_comes_from_its_file_as_a_difference() -> None:
    """The file counts over the session; the stream has no tokens."""
    used = {"inputTokens": 333, "outputTokens": 66, "cacheReadTokens": 33}
    file = {"modelMetrics": {"m": {"usage": used}}}
    made = parser("copilot", Usage(111, 22, 11))
    events = made.finish({"copilot-usage.json": json.dumps(file).encode()}, Exit(0, None))
    assert events == [UsageSeen(Usage(222, 44, 22), 0)]
    assert made.thread_usage == Usage(333, 66, 33)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"modelMetrics": 3}', b"\xff"], ids=repr)
def test_an_unreadable_usage_file_is_unmeasured(content: bytes) -> None:
    """Never zero."""
    made = parser("copilot")
    assert made.finish({"copilot-usage.json": content}, Exit(0, None)) == []
    assert made.thread_usage is None


def test_copilot_names_the_session_before_its_end() -> None:
    """We chose its id, so that a run that is stopped can be continued."""
    events = events_of("copilot", stream({"type": "model.call_start", "data": {"model": "m"}}))
    assert isinstance(events[0], SessionSeen)
    assert len(events[0].session_id) == 36


def test_copilot_without_a_login_says_so_on_stderr() -> None:
    """There is no event for it."""
    (end,) = parser("copilot").feed_stderr(b"Error: No authentication information found.\n")
    assert isinstance(end, EndSeen)
    assert end.error_kind == "auth"


def test_the_text_back_end_says_each_line() -> None:
    """And all of it is the answer."""
    made = parser("command")
    events = made.feed(b"one\ntwo") + made.finish({}, Exit(0, None))
    assert events == [
        TextSeen("one\n"),
        TextSeen("two", is_delta=True),
        EndSeen(None, "", "one\ntwo"),
    ]


@pytest.mark.parametrize(("code", "kind"), [(0, None), (3, "agent"), (None, "crash")])
def test_the_exit_code_is_the_terminal_event_of_a_command(
    code: int | None, kind: ErrorKind | None
) -> None:
    """Killed by a signal it has none."""
    made = parser("command")
    how = ending(code)
    events = made.feed(b"text\n") + made.finish({}, how.exit)
    assert concluded(events, how).error_kind == kind


def claude_part(**event: object) -> dict[str, object]:
    """A partial message."""
    return {"type": "stream_event", "event": event}


def test_claude_that_thinks_is_heard() -> None:
    """Once per call: after a retry that is what tells that the model answers."""
    delta = {"type": "thinking_delta", "thinking": "Hm"}
    events = events_of(
        "claude",
        stream(
            claude_part(type="message_start", message={"id": "m1", "content": []}),
            *[claude_part(type="content_block_delta", delta=delta)] * 3,
        ),
    )
    assert events == [UsageSeen(Usage(0, 0, 0), 1)]


def test_claude_s_calls_are_added_up_in_steps() -> None:
    """A long run reports thousands of times: the sum is kept, not made anew from all calls."""
    calls = 20_000
    one = {"input_tokens": 3, "output_tokens": 1}
    lines = stream(
        *(
            {"type": "assistant", "message": {"id": f"m{n}", "content": [], "usage": one}}
            for n in range(calls)
        )
    )
    assert events_of("claude", lines)[-1] == UsageSeen(Usage(3 * calls, calls, 0), calls)


@pytest.mark.parametrize("name", ["--dangerously-x", "", "x" * 300, "../../etc"])
def test_codex_s_thread_is_named_by_a_uuid_or_not_at_all(name: str) -> None:
    """It is an argument of the next run."""
    assert events_of("codex", stream({"type": "thread.started", "thread_id": name})) == []


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_session_s_name_is_bounded(name: str) -> None:
    """Cut it would be another's: there is none then."""
    assert events_of("gemini", stream({"type": "init", "session_id": name})) == []


def test_what_copilot_says_last_without_a_line_feed_is_heard() -> None:
    """That nobody is logged in, on standard error."""
    made = parser("copilot")
    assert made.feed_stderr(b"Error: No authentication information found.") == []
    assert end_of(made.finish({}, Exit(1, None))).error_kind == "auth"
