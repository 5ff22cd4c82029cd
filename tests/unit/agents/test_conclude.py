"""Two truths, and ours: how a run ended."""

from __future__ import annotations

import pytest
from tests.unit.agents.orders import concluded, ending

from ai_orchestrator.agents.conclude import StopCause, Tally, nothing_left
from ai_orchestrator.agents.kept_text import LIMIT_TEXT_CHARS
from ai_orchestrator.model.agent import (
    EndSeen,
    ErrorKind,
    SessionSeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
)
from ai_orchestrator.model.workflow import Limits

GOOD = EndSeen(None, final_text="done")


@pytest.mark.parametrize(
    ("end", "code", "kind"),
    [
        (GOOD, 0, None),
        (GOOD, 1, "crash"),
        (GOOD, None, "crash"),
        (None, 0, "protocol"),
        (None, 1, "crash"),
        (None, None, "crash"),
        (None, 41, "auth"),
        (EndSeen("overloaded", "busy"), 0, "overloaded"),
        (EndSeen("overloaded", "busy"), 1, "overloaded"),
        (EndSeen("auth", "no"), None, "auth"),
    ],
)
def test_exit_code_and_terminal_event_must_agree(
    end: EndSeen | None, code: int | None, kind: ErrorKind | None
) -> None:
    """Each alone lied in a measured case."""
    got = concluded([] if end is None else [end], ending(code))
    assert got.error_kind == kind
    assert got.is_success == (kind is None)
    assert bool(got.message) == (kind is not None)


def test_what_we_stopped_is_not_a_success() -> None:
    """Copilot claims success with exit code 0 when it is told to end."""
    stop = StopCause("stalled", "nothing heard for 5 s")
    got = concluded([GOOD], ending(0, stop))
    assert (got.error_kind, got.message) == ("stalled", "nothing heard for 5 s")


def test_a_stop_keeps_its_reset() -> None:
    """The workflow waits by it."""
    got = concluded([], ending(0, StopCause("quota", "wait", 600.0)))
    assert got.reset_s == 600.0


def test_a_dropped_line_is_not_forgiven_by_a_success() -> None:
    """What stood in it is unknown."""
    got = concluded([EndSeen("protocol", "a line was dropped"), GOOD])
    assert got.error_kind == "protocol"


def test_success_without_a_model_is_none() -> None:
    """A program that answered by itself did not do the work."""
    assert concluded([UsageSeen(Usage(), 0), GOOD]).error_kind == "agent"


def test_the_reason_on_stderr_is_told_with_its_end() -> None:
    """Warnings come first there, the reason last."""
    got = concluded([], ending(1, stderr="warning " * 500 + "\nno such model\n"))
    assert got.message.endswith("no such model")
    assert len(got.message) < 600


def test_a_silent_failure_says_so() -> None:
    """Better than an empty message."""
    assert "said nothing" in concluded([], ending(1)).message


def test_a_run_is_tallied() -> None:
    """The last message, tools once each, the last usage, the session with all it ever told."""
    got = concluded(
        [
            SessionSeen("s", "model", "1.0"),
            TextSeen("first"),
            ToolSeen("1", "read", "start"),
            ToolSeen("1", "", "ok"),
            UsageSeen(Usage(1, 1), 1),
            TextSeen("sec"),
            TextSeen("ond", is_delta=True),
            UsageSeen(Usage(2, 2), 2),
            SessionSeen("s"),
            EndSeen(None),
        ]
    )
    assert (got.final_text, got.tool_calls, got.usage, got.turns) == ("second", 1, Usage(2, 2), 2)
    assert (got.session_id, got.model, got.version) == ("s", "model", "1.0")


def test_endless_text_is_bounded() -> None:
    """The end is kept: the answer stands there."""
    tally = Tally()
    for _ in range(50):
        tally.add(TextSeen("x" * (LIMIT_TEXT_CHARS // 10), is_delta=True))
    tally.add(TextSeen("the end", is_delta=True))
    assert len(tally.text) == LIMIT_TEXT_CHARS
    assert tally.text.endswith("the end")
    assert sum(map(len, tally._text._parts)) <= 2 * LIMIT_TEXT_CHARS + 7


@pytest.mark.parametrize(
    ("limits", "is_left"),
    [
        (Limits(), True),
        (Limits(max_tokens=1, max_cost_usd=0.01, max_turns=1), True),
        (Limits(max_tokens=0), False),
        (Limits(max_cost_usd=0.0), False),
        (Limits(max_turns=0), False),
    ],
)
def test_a_run_that_may_use_nothing_is_not_started(limits: Limits, *, is_left: bool) -> None:
    """It would spend a call before it was stopped."""
    spent = nothing_left(limits)
    assert (spent is None) == is_left
    assert spent is None or spent.error_kind == "limit"
