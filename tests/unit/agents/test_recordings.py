"""Every recorded stream of a real program gives exactly this result."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.agents.orders import RECORDINGS, events_of, replayed

from ai_orchestrator.model.agent import AgentResult, ErrorKind, RetrySeen, ToolSeen, Usage

PLAIN = "Hello from the scripted model (plain). 2+2=4"
DONE = "Done: the file was written."
CLAUDE = "claude-sonnet-4-5"
GEMINI = "gemini-2.5-flash"
SCRIPTED = "scripted-1"


def result(  # noqa: PLR0917  a row of the table below
    text: str,
    usage: Usage,
    turns: int | None,
    tools: int,
    session: str,
    model: str | None = None,
    version: str | None = None,
) -> AgentResult:
    """A success as the recording shows it."""
    return AgentResult(
        None, "", text, usage, turns, tools, session, model, version, exit_code=0, duration_s=1.5
    )


SUCCESSES = {
    ("claude", "plain"): result(
        PLAIN, Usage(111, 22, 0, Decimal("0.000663")), 1, 0,
        "5f5314f7-4396-43de-85b1-dddb373bfbd1", CLAUDE, "2.1.330",
    ),
    ("claude", "partial"): result(
        PLAIN, Usage(111, 22, 0, Decimal("0.000663")), 1, 0,
        "3b3594e4-9d86-429b-a35d-54756dda21d4", CLAUDE, "2.1.330",
    ),
    ("claude", "write"): result(
        DONE, Usage(222, 44, 0, Decimal("0.001326")), 2, 1,
        "f4dcb23e-2df9-4638-9611-32f69ad23763", CLAUDE, "2.1.330",
    ),
    ("codex", "plain"): result(
        PLAIN, Usage(111, 22, 11), 1, 0, "01a205ff-ceb0-78c1-9f4b-1fb8ae772e5f"
    ),
    ("codex", "write"): result(
        DONE, Usage(222, 44, 22), 2, 1, "01a205ff-d1ab-7402-b7cb-11f097c20a42"
    ),
    ("codex", "newmodel"): result(
        DONE, Usage(222, 44, 22), 2, 1, "01a20606-6a9b-70d2-8a09-1ae5544ed4dd"
    ),
    ("gemini", "plain"): result(
        PLAIN, Usage(111, 22, 11), 1, 0, "30773ece-65f4-4485-8547-70e0f6d47754", GEMINI
    ),
    ("gemini", "write"): result(
        DONE, Usage(222, 44, 22), 2, 1, "3d4b6152-ce33-4611-ba17-aaa6dec8193d", GEMINI
    ),
    ("copilot", "plain"): result(
        PLAIN, Usage(), 1, 0, "98d17780-6af3-41d9-932e-0f958e11fd0c", SCRIPTED
    ),
    ("copilot", "write"): result(
        DONE, Usage(), 2, 1, "c7d72b95-afda-44f8-8c6d-6c322bf44269", SCRIPTED
    ),
}  # fmt: skip

FAILURES: dict[tuple[str, str], tuple[ErrorKind, str, int | None]] = {
    ("claude", "429"): ("overloaded", "API Error: Request rejected (429) · rate limited", 1),
    ("claude", "maxturns"): ("limit", "Reached maximum number of turns (2)", 3),
    ("codex", "401"): (
        "auth",
        (
            "unexpected status 401 Unauthorized: invalid x-api-key, "
            "url: http://127.0.0.1:8899/v1/responses"
        ),
        None,
    ),
    ("gemini", "401"): (
        "auth",
        (
            '[API Error: {"error":{"code":401,"message":"invalid x-api-key",'
            '"status":"UNAUTHENTICATED"}}]'
        ),
        1,
    ),
    ("gemini", "maxturns"): (
        "limit",
        (
            "Reached max session turns for this session. Increase the number of turns by "
            "specifying maxSessionTurns in settings.json."
        ),
        3,
    ),
    ("copilot", "401"): (
        "auth",
        (
            "Authentication failed with provider at http://127.0.0.1:8899/v1 (HTTP 401). Check "
            "your COPILOT_PROVIDER_API_KEY, COPILOT_PROVIDER_API_KEY_COMMAND, or "
            "COPILOT_PROVIDER_BEARER_TOKEN."
        ),
        3,
    ),
}


def test_every_recording_is_judged() -> None:
    """A new recording needs an expected result."""
    recorded = {(path.parent.name, path.stem) for path in RECORDINGS.glob("*/*.out")}
    assert recorded == SUCCESSES.keys() | FAILURES.keys()


@pytest.mark.parametrize(("agent", "name"), SUCCESSES, ids="-".join)
def test_a_recorded_success(agent: str, name: str) -> None:
    """Text, usage, turns, tools, session, model and version, exactly."""
    assert replayed(agent, name) == SUCCESSES[agent, name]


@pytest.mark.parametrize(("agent", "name"), FAILURES, ids="-".join)
def test_a_recorded_failure(agent: str, name: str) -> None:
    """The kind, the agent's own words and the turns, whatever the exit code says."""
    kind, message, turns = FAILURES[agent, name]
    for code in (0, 1):
        got = replayed(agent, name, code)
        assert (got.error_kind, got.message, got.turns) == (kind, message, turns)


@pytest.mark.parametrize(("agent", "name"), SUCCESSES, ids="-".join)
def test_a_success_with_a_failing_exit_code_is_a_crash(agent: str, name: str) -> None:
    """The terminal event alone is no success."""
    assert replayed(agent, name, code=1).error_kind == "crash"


@pytest.mark.parametrize("agent", ["claude", "codex", "gemini", "copilot"])
def test_a_tool_call_is_seen_from_start_to_end(agent: str) -> None:
    """With what it was about."""
    events = events_of(agent, (RECORDINGS / agent / "write.out").read_bytes())
    tools = [event for event in events if isinstance(event, ToolSeen)]
    assert [tool.phase for tool in tools] == ["start", "ok"]
    assert tools[0].id == tools[1].id
    assert "hello.txt" in tools[0].summary


@pytest.mark.parametrize(
    ("agent", "name"), [("claude", "429"), ("codex", "401"), ("copilot", "401")]
)
def test_retries_are_told_with_their_status(agent: str, name: str) -> None:
    """The host stops at once when the account was refused."""
    events = events_of(agent, (RECORDINGS / agent / f"{name}.out").read_bytes())
    retries = [event.status for event in events if isinstance(event, RetrySeen)]
    assert retries
    assert set(retries) == {int(name)}
