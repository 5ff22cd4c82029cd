"""How an agent's run is judged, and how its answer survives."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ai_orchestrator.agents.base import AgentMissingError
from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.model.agent import AgentResult, Usage
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.review import Finding, Severity, Verdict, Verifier
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.workflow import AgentStep, WorkflowSpec
from ai_orchestrator.workflows.running.agent_answer import Answer, judge, load_answer, save_answer
from ai_orchestrator.workflows.running.progress import Progress, begin
from ai_orchestrator.workflows.running.values import Prepared, StepDone

KEY = StepKey("t-x", 1, "improve/step", 2, 3)
SPENT = Usage(input_tokens=10, output_tokens=1)
FLAW = Finding(Severity.HIGH, "divides by zero")
CHANGED = StepCommit("c1", "t1", is_changed=True)
UNCHANGED = StepCommit("c0", "t0", is_changed=False)


def result(**changes: Any) -> AgentResult:
    """A run that went well."""
    fields: dict[str, Any] = {
        "error_kind": None,
        "message": "",
        "final_text": "done",
        "usage": SPENT,
        "turns": 1,
        "tool_calls": 0,
        "session_id": "s-1",
        "model": "m",
        "version": None,
        "exit_code": 0,
        "duration_s": 1.0,
    }
    return AgentResult(**(fields | changes))


def step(**changes: Any) -> AgentStep:
    """A step that writes."""
    fields: dict[str, Any] = {
        "path": "improve/step",
        "task": "implement",
        "agent": "a",
        "role": "implementer",
        "asks": "change",
        "permission": "write",
        "prompt": "p",
    }
    return AgentStep(**(fields | changes))


def start() -> Progress:
    """A task that has changed nothing yet."""
    return begin(Prepared("c0", "t0", (Verifier("tests", ("make",)),)))


def judged(answer: Answer, one: AgentStep, commit: StepCommit) -> StepDone:
    """The outcome under a workflow whose bar is `medium`."""
    spec = WorkflowSpec("w", "", SuccessRule.VERIFIED, (one,), {}, {}, {}, None)
    return judge(spec, one, start(), KEY, answer, commit)


def test_a_run_that_went_well_ends_with_its_commit() -> None:
    """What it cost and what it said go along."""
    done = judged(Answer(result(), SPENT), step(), CHANGED)
    assert (done.outcome, done.commit, done.tree, done.is_changed) == (
        "succeeded",
        "c1",
        "t1",
        True,
    )
    assert (done.usage, done.summary, done.session, done.attempt) == (SPENT, "done", "s-1", 3)


def test_a_failed_run_leaves_the_head_where_it_was() -> None:
    """Half-done work is never built upon; why it failed is told, and for how long."""
    failed = result(error_kind="quota", message="limit reached", reset_s=60.0)
    done = judged(Answer(failed, SPENT), step(), CHANGED)
    assert (done.outcome, done.commit, done.tree, done.is_changed) == ("failed", "c0", "t0", False)
    assert (done.error_kind, done.reason, done.reset_s) == ("quota", "limit reached", 60.0)
    assert done.usage == SPENT


def test_a_failure_without_words_gets_some() -> None:
    """An empty reason helps nobody."""
    assert judged(Answer(result(error_kind="crash"), SPENT), step(), CHANGED).reason


def test_a_reader_that_wrote_has_failed() -> None:
    """Whatever it claims: the tree is the third truth."""
    reader = step(asks="verdict", permission="read-only", role="reviewer")
    done = judged(Answer(result(), SPENT, verdict=Verdict("approve")), reader, CHANGED)
    assert (done.outcome, done.error_kind, done.is_approval) == ("failed", "agent", False)
    assert "read-only" in done.reason


@pytest.mark.parametrize(
    ("verdict", "is_approval"),
    [
        pytest.param(Verdict("approve"), True, id="approves"),
        pytest.param(Verdict("request_changes", (FLAW,)), False, id="asks-for-changes"),
        pytest.param(Verdict("approve", (FLAW,)), False, id="approves-with-a-grave-finding"),
    ],
)
def test_a_verdict_counts_by_the_workflows_bar(verdict: Verdict, is_approval: bool) -> None:  # noqa: FBT001
    """A word of approval beside a grave finding is none."""
    reader = step(asks="verdict", permission="read-only", role="reviewer")
    done = judged(Answer(result(), SPENT, verdict=verdict), reader, UNCHANGED)
    assert (done.outcome, done.is_approval, done.verdict) == ("succeeded", is_approval, verdict)


def test_an_unreadable_answer_is_no_approval() -> None:
    """It is no failure of the program either; why it cannot be read is kept."""
    reader = step(asks="verdict", permission="read-only", role="reviewer")
    done = judged(Answer(result(), SPENT, problem="no JSON found"), reader, UNCHANGED)
    assert (done.outcome, done.is_approval, done.verdict_note) == (
        "succeeded",
        False,
        "no JSON found",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AgentMissingError("no claude"), "missing"),
        (EnvironmentProblemError("no disk"), "environment"),
    ],
)
def test_a_machine_that_cannot_run_the_agent_is_an_answer(
    error: EnvironmentProblemError, kind: str
) -> None:
    """What was spent before stays spent."""
    answer = Answer.failed(error, SPENT)
    assert (answer.result.error_kind, answer.usage) == (kind, SPENT)
    assert str(error) in answer.result.message


async def test_an_answer_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Private like everything about a task."""
    path = tmp_path / "answer.json"
    answer = Answer(result(), SPENT, verdict=Verdict("request_changes", (FLAW,)))
    await save_answer(path, answer, lambda text: text)
    assert await load_answer(path) == answer
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


async def test_an_answer_is_saved_without_secrets(tmp_path: Path) -> None:
    """It lies on the disk until the step is finished, or for ever after a power cut."""
    path = tmp_path / "answer.json"
    secret = Answer(result(final_text="the key is hunter2hunter2"), SPENT)
    await save_answer(path, secret, lambda text: text.replace("hunter2hunter2", "[redacted]"))
    loaded = await load_answer(path)
    assert loaded is not None
    assert loaded.result.final_text == "the key is [redacted]"


@pytest.mark.parametrize(
    "secret", ["12345678", "overloaded", "final_text", '":null,"'], ids=lambda secret: secret
)
async def test_an_answer_can_be_read_whatever_a_secret_is(tmp_path: Path, secret: str) -> None:
    """After a crash it is all that is left of a run that was paid for."""
    path = tmp_path / "answer.json"
    answer = Answer(
        result(error_kind="overloaded", final_text=f"it is {secret}."),
        Usage(input_tokens=1_234_567_890),
    )
    await save_answer(path, answer, lambda text: text.replace(secret, "[redacted:KEY]"))
    loaded = await load_answer(path)
    assert loaded is not None
    assert loaded.result.final_text == "it is [redacted:KEY]."
    assert (loaded.result.error_kind, loaded.usage) == ("overloaded", answer.usage)


async def test_no_answer_is_none(tmp_path: Path) -> None:
    """The agent had not ended."""
    assert await load_answer(tmp_path / "answer.json") is None


async def test_an_answer_of_a_newer_release_is_read(tmp_path: Path) -> None:
    """A runner that was replaced in mid-step left it."""
    path = tmp_path / "answer.json"
    fields = msgspec.to_builtins(Answer(result(), SPENT)) | {"later": 1}
    path.write_bytes(msgspec.json.encode(fields))
    assert await load_answer(path) == Answer(result(), SPENT)
