"""Addresses of the server, and what of a request is written down."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.scripted.address import Address, Purpose, resolve
from ai_orchestrator.scripted.decision import Decision, Place, Refusal, Silence, Speech
from ai_orchestrator.scripted.dialects.dialect import Route
from ai_orchestrator.scripted.prompt import StepMarker
from ai_orchestrator.scripted.request_log import (
    LoggedRequest,
    RequestLog,
    read_log,
    shown_headers,
    shown_target,
)
from ai_orchestrator.scripted.scenario import DialectName, Usage
from ai_orchestrator.scripted.tools import ToolCall

ANTHROPIC, CHAT = DialectName.ANTHROPIC, DialectName.CHAT
GEMINI, RESPONSES = DialectName.GEMINI, DialectName.RESPONSES


@pytest.mark.parametrize(
    ("method", "target", "address"),
    [
        ("POST", "/v1/messages?beta=true", Address(Purpose.REPLY, ANTHROPIC)),
        ("POST", "/v1/messages/count_tokens", Address(Purpose.COUNT, ANTHROPIC)),
        ("POST", "/v1/responses", Address(Purpose.REPLY, RESPONSES)),
        ("POST", "/v1/chat/completions", Address(Purpose.REPLY, CHAT)),
        ("GET", "/v1/models", Address(Purpose.MODELS, CHAT)),
        (
            "POST",
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            Address(Purpose.REPLY, GEMINI, Route("gemini-2.5-flash", is_stream=True)),
        ),
        (
            "POST",
            "/v1beta/models/m:generateContent",
            Address(Purpose.REPLY, GEMINI, Route("m", is_stream=False)),
        ),
        (
            "POST",
            "/v1beta/models/m:countTokens",
            Address(Purpose.COUNT, GEMINI, Route("m", is_stream=False)),
        ),
        ("POST", "/v1beta/models/m:embed", Address(Purpose.UNKNOWN, GEMINI)),
        ("GET", "/v1/messages", Address(Purpose.UNKNOWN, ANTHROPIC)),
        ("GET", "/api/hello", Address(Purpose.UNKNOWN, ANTHROPIC)),
        ("GET", "/", Address(Purpose.UNKNOWN, CHAT)),
    ],
)
def test_address_says_what_it_is_for(method: str, target: str, address: Address) -> None:
    """Unknown ones belong to the vendor that they look like, whose error shape they get."""
    assert resolve(method, target) == address


def test_values_of_unknown_headers_are_hidden() -> None:
    """A list of harmless ones, not one of secret ones: the next vendor's key is safe too."""
    shown = shown_headers(
        [
            ("x-api-key", "sk-1"),
            ("authorization", "Bearer 2"),
            ("new-token", "3"),
            ("user-agent", "c"),
        ]
    )
    assert shown == {
        "x-api-key": "(hidden)",
        "authorization": "(hidden)",
        "new-token": "(hidden)",
        "user-agent": "c",
    }


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1beta/models/m:x?key=secret&alt=sse", "/v1beta/models/m:x?key=(hidden)&alt=sse"),
        ("/a", "/a"),
    ],
)
def test_values_of_unknown_parameters_are_hidden(target: str, shown: str) -> None:
    """Gemini's clients may send their key in the address."""
    assert shown_target(target) == shown


@pytest.mark.parametrize(
    "decision",
    [
        Speech("Hi", is_auxiliary=True),
        ToolCall("run", {"a": 1}),
        Refusal(429, "m", 3.0),
        Silence(),
        None,
    ],
    ids=lambda decision: type(decision).__name__,
)
def test_log_is_read_back_as_it_was_written(tmp_path: Path, decision: Decision | None) -> None:
    """What a test reads is the struct that the server wrote."""
    entry = LoggedRequest(
        time=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        method="POST",
        path="/v1/messages",
        headers={"host": "x"},
        dialect=ANTHROPIC,
        step=StepMarker("a/b", 2),
        place=Place(1, 0),
        decision=decision,
        usage=Usage(5, 1, 2),
        tools=("run",),
    )
    with RequestLog(tmp_path / "log") as log:
        log.write(entry)
        log.write(entry)
    assert read_log(tmp_path / "log") == [entry, entry]


def test_half_a_line_is_left_out_and_foreign_lines_are_refused(tmp_path: Path) -> None:
    """A log may be read while it grows; a file that is none is not taken for one."""
    path = tmp_path / "log"
    path.write_text('{"time":"2026-01-02T03:04:05Z","method":"GET","path":"/","headers":{}}\n{"ti')
    assert [entry.path for entry in read_log(path)] == ["/"]
    path.write_text('{"a": 1}\n')
    with pytest.raises(BadInputError, match=r"log:1: not a logged request"):
        read_log(path)


def test_log_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    """The error says which file and why."""
    with (
        pytest.raises(EnvironmentProblemError, match=r"no/log: .* cannot be opened: No such file"),
        RequestLog(tmp_path / "no" / "log"),
    ):
        pass
