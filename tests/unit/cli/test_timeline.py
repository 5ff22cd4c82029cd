"""The story of a task, line by line."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from tests.unit.cli.memory import START, entry, event, story, verifier_result

from ai_orchestrator.cli.lines import to_text
from ai_orchestrator.cli.timeline import Timeline, finding, verifier_end
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    AgentQuestionData,
    AgentRetryData,
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    AgentWaitData,
    BudgetChangedData,
    Event,
    EventData,
    QuotaChangedData,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    UnknownData,
    VerifierFinishedData,
    WorkerChangedData,
)
from ai_orchestrator.model.review import FindingState
from ai_orchestrator.model.states import OutcomeCode, TaskState


def told(*events: Event, is_verbose: bool = False) -> list[str]:
    """The lines, without colour."""
    timeline = Timeline(is_verbose=is_verbose)
    lines = [line for one in events for line in timeline.feed(one)]
    return [to_text(line, is_coloured=False) for line in [*lines, *timeline.flush()]]


def one(data: EventData, *, is_verbose: bool = False, iteration: int = 1) -> str:
    """The only line about one event, without its offset."""
    (line,) = told(event(1, data, step="s", iteration=iteration, attempt=1), is_verbose=is_verbose)
    return line.removeprefix("   0.0s  ")


def test_offsets_count_from_the_first_event() -> None:
    """A person sees how long things took."""
    lines = told(*story())

    assert lines[0] == "   0.0s  task          running"
    assert lines[1] == "   1.0s  implement     started: claude (opus)"
    assert lines[-1].startswith("    16s  task          succeeded (approved verified)")


def test_a_red_verifier_shows_its_last_lines() -> None:
    """Beside the step, under the verdict; a green one is one line."""
    result = msgspec.structs.replace(
        verifier_result(is_green=False), output="\n".join(f"line {n}" for n in range(50))
    )
    lines = told(event(1, VerifierFinishedData(result, "c"), step="verify"))

    assert lines[0].endswith("verifier tests red (exit 1, 0.8s)")
    assert len(lines) == 13
    assert lines[-1].strip() == "| line 49"
    assert one(VerifierFinishedData(verifier_result(is_green=True), "c")).endswith("green (0.8s)")


def test_a_baseline_is_called_one() -> None:
    """Red on the base is another thing than red after the work."""
    red = VerifierFinishedData(verifier_result(is_green=False), "c", is_baseline=True)

    assert "red on the base" in told(event(1, red))[0]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        pytest.param(StepStartedData("verify"), "s             started", id="no-agent"),
        pytest.param(
            StepStartedData("agent", "codex", how="restarted", note="tree was lost"),
            "s             started: codex, restarted, tree was lost",
            id="restarted",
        ),
        pytest.param(
            StepFinishedData("failed", "no tool call", duration_s=61),
            "s             failed: no tool call (1m01s)",
            id="failed",
        ),
        pytest.param(
            StepFinishedData("succeeded", usage=Usage(5, 6), duration_s=1),
            "s             succeeded (1.0s, 5 tokens in, 6 out, cost unmeasured)",
            id="cost-unmeasured",
        ),
        pytest.param(
            AgentRetryData("overloaded", 529, 4.0),
            "s             tries again in 4.0s: overloaded (HTTP 529)",
            id="retry",
        ),
        pytest.param(
            AgentWaitData("work"),
            "s             waits for its turn with account work, which is in use",
            id="waits",
        ),
        pytest.param(
            AgentWaitData("work", is_over=True),
            "s             has its turn with account work",
            id="waits-no-more",
        ),
        pytest.param(
            AgentQuestionData("which\ndatabase?"), "s             asks: which database?", id="asks"
        ),
        pytest.param(
            QuotaChangedData("claude", "work", START + timedelta(hours=5), "weekly"),
            "s             limit of claude, account work, resets at 2026-03-01 17:00 UTC: weekly",
            id="quota",
        ),
        pytest.param(
            WorkerChangedData("0.2.0", "upgrade"),
            "s             goes on under 0.2.0: upgrade",
            id="worker",
        ),
        pytest.param(
            TaskStateData(TaskState.FAILED, OutcomeCode.NOT_CONVERGED, "3 rounds"),
            "s             failed (not converged): 3 rounds",
            id="not-converged",
        ),
    ],
)
def test_each_event_is_one_readable_line(data: EventData, line: str) -> None:
    """Who, what and why."""
    assert one(data) == line


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(AgentUsageData(Usage(1, 1)), id="usage"),
        pytest.param(BudgetChangedData(Usage(1, 1)), id="budget"),
        pytest.param(UnknownData({}), id="unknown"),
        pytest.param(AgentTextData("words"), id="text"),
        pytest.param(AgentToolData("1", "Edit", "start", "x"), id="tool"),
        pytest.param(AgentToolData("1", "Edit", "error", "x"), id="tool-error"),
    ],
)
def test_details_are_left_out_unless_asked_for(data: EventData) -> None:
    """The story stays short."""
    assert told(event(1, data, step="s")) == []


def test_verbose_shows_words_as_whole_lines() -> None:
    """Deltas are joined up to a line's end; the rest comes before the next event."""
    deltas = ["I ", "will look", ".\nThen I", " edit"]
    events = [
        event(seq, AgentTextData(text, is_delta=True), step="s")
        for seq, text in enumerate(deltas, 1)
    ]
    lines = told(
        *events, event(5, AgentToolData("1", "Edit", "start", "x.py"), step="s"), is_verbose=True
    )

    assert [line.split("  ")[-1].strip() for line in lines] == [
        "| I will look.",
        "| Then I edit",
        "tool Edit x.py",
    ]


def test_verbose_tells_two_speakers_apart() -> None:
    """Steps that run side by side do not finish each other's sentences."""
    lines = told(
        event(1, AgentTextData("left", is_delta=True), step="a"),
        event(2, AgentTextData("right", is_delta=True), step="b"),
        is_verbose=True,
    )

    assert [line.split()[1:] for line in lines] == [["a", "|", "left"], ["b", "|", "right"]]


def test_a_sentence_without_end_is_printed_in_pieces() -> None:
    """Nothing is held back for ever."""
    text = AgentTextData("x" * 300, is_delta=True)

    assert len(told(event(1, text, step="s"), event(2, text, step="s"), is_verbose=True)) == 1


def test_the_round_stands_beside_the_step() -> None:
    """From the second one on."""
    assert one(StepStartedData("agent", "codex"), iteration=2).startswith("s #2 ")


@pytest.mark.parametrize(
    ("step", "label"),
    [
        pytest.param("implement", "implement", id="alone"),
        pytest.param("improve/implement", "implement", id="in-a-loop"),
        pytest.param("improve/implement/verify", "verify", id="its-verification"),
        pytest.param("improve/parallel/security-review.2", "security-review.2", id="in-a-group"),
    ],
)
def test_a_step_is_called_by_its_own_name(step: str, label: str) -> None:
    """What stands around it is the same on every line, and `tasks show` has all of it."""
    (line,) = told(event(1, StepStartedData("agent", "codex"), step=step))

    assert line.split()[1] == label


def test_the_column_grows_with_a_longer_step() -> None:
    """From its first line on everything stands in one column again, output beside it too."""
    red = VerifierFinishedData(verifier_result(is_green=False), "c")
    lines = told(
        event(1, TaskStateData(TaskState.RUNNING)),
        event(2, StepStartedData("agent", "codex"), step="improve/security-review", iteration=2),
        event(3, red, step="improve/refine/verify"),
    )

    words = ("running", "started", "verifier", "| FAILED")
    assert [line.index(word) for line, word in zip(lines, words, strict=False)] == [23, 29, 29, 29]


def test_the_column_does_not_grow_without_end() -> None:
    """One monstrous name costs its own line, not all those after it."""
    lines = told(
        event(1, StepStartedData("agent", "codex"), step="s" * 63),
        event(2, StepStartedData("agent", "codex"), step="t"),
    )

    assert lines[1].index("started") == 9 + 24 + 2


def test_a_new_task_attempt_counts_its_own_time() -> None:
    """`tasks watch` of a task that was retried shows both."""
    lines = told(
        event(1, TaskStateData(TaskState.FAILED)),
        event(9, TaskStateData(TaskState.RUNNING), task_attempt=2),
    )

    assert lines[1:] == ["task attempt 2", "   0.0s  task          running"]


@pytest.mark.parametrize("state", list(FindingState))
def test_a_finding_names_state_severity_place_and_claim(state: FindingState) -> None:
    """In this order, for every state."""
    line = to_text(finding(entry(state)), is_coloured=False)

    assert line == f"{state} medium calculator/core.py:12 empty list divides by zero"


def test_a_rejected_finding_says_why() -> None:
    """The implementer's reason is shown."""
    rejected = msgspec.structs.replace(entry(FindingState.REJECTED), reason="lists are never empty")

    assert to_text(finding(rejected), is_coloured=False).endswith("(lists are never empty)")


@pytest.mark.parametrize(
    ("code", "is_timed_out", "end"),
    [
        pytest.param(1, False, "exit 1, 3.0s", id="exit"),
        pytest.param(None, False, "killed, 3.0s", id="signal"),
        pytest.param(None, True, "timed out after 3.0s", id="time"),
    ],
)
def test_the_end_of_a_verifier_is_told(code: int | None, *, is_timed_out: bool, end: str) -> None:
    """Exit status, signal or time limit."""
    result = msgspec.structs.replace(
        verifier_result(is_green=False), code=code, is_timed_out=is_timed_out, duration_s=3.0
    )

    assert verifier_end(result) == end
