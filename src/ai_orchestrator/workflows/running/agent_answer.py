"""What an agent's run left behind, kept on disk until the step is finished, and how it is judged.

The answer is written before the commit, so that a kill between the two costs nothing: the agent
had ended, and what it said is known.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.model.agent import AgentResult, ErrorKind, Usage
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.review import Finding, Verdict
from ai_orchestrator.model.texts import map_texts
from ai_orchestrator.model.workflow import AgentStep, WorkflowSpec
from ai_orchestrator.review.verdict import Rejection
from ai_orchestrator.review.verdict import judge as judge_verdict
from ai_orchestrator.workflows.running.progress import Progress
from ai_orchestrator.workflows.running.values import StepDone

SUMMARY_LIMIT_CHARS = 4_000


class Answer(msgspec.Struct, frozen=True):
    """The end of one attempt: the last run's result and what its text parsed to."""

    result: AgentResult
    usage: Usage
    """Of all runs of the attempt together."""
    verdict: Verdict | None = None
    problem: str | None = None
    """Why the text is no verdict, where one was asked for."""
    suggestions: tuple[Finding, ...] | None = None
    rejections: tuple[Rejection, ...] = ()

    @staticmethod
    def failed(error: OrchestratorError, usage: Usage) -> Answer:
        """An answer for an agent that could not be run at all."""
        kind: ErrorKind = "missing" if error.code == "agent-missing" else "environment"
        return Answer(AgentResult.not_started(kind, str(error)), usage)


async def save_answer(path: Path, answer: Answer, redact: Callable[[str], str]) -> None:
    """Writes the answer, redacted, so that it is whole or absent, whatever happens."""
    await asyncio.to_thread(_write_whole, path, msgspec.json.encode(map_texts(answer, redact)))


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


async def load_answer(path: Path) -> Answer | None:
    """The saved answer, None where the agent had not ended."""
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        return None
    return msgspec.json.decode(data, type=Answer)


def judge(
    spec: WorkflowSpec,
    step: AgentStep,
    progress: Progress,
    key: StepKey,
    answer: Answer,
    commit: StepCommit,
) -> StepDone:
    """The step's outcome by exit code, terminal event and tree together. Pure."""
    failure = _failure(step, answer, commit)
    done = StepDone(
        step=step.path,
        iteration=key.iteration,
        attempt=key.attempt,
        outcome="failed" if failure else "succeeded",
        commit=progress.head if failure else commit.commit,
        tree=progress.head_tree if failure else commit.tree,
        is_changed=not failure and commit.is_changed,
        error_kind=failure[0] if failure else None,
        reason=failure[1] if failure else "",
        reset_s=answer.result.reset_s,
        session=answer.result.session_id,
        usage=answer.usage,
        verdict=answer.verdict,
        verdict_note=answer.problem or "",
        suggestions=answer.suggestions,
        rejections=answer.rejections,
        summary=answer.result.final_text[-SUMMARY_LIMIT_CHARS:],
    )
    if failure or done.verdict is None:
        return done
    judgement = judge_verdict(done.verdict, spec.bar, min_open_findings=spec.min_open_findings)
    return msgspec.structs.replace(
        done, is_approval=judgement.is_approval, verdict_note=judgement.note
    )


def _failure(step: AgentStep, answer: Answer, commit: StepCommit) -> tuple[ErrorKind, str] | None:
    result = answer.result
    if result.error_kind is not None:
        return result.error_kind, result.message or f"the agent ended with {result.error_kind}"
    if step.permission == "read-only" and commit.is_changed:
        return "agent", "it changed files although the step is read-only; nothing of it was kept"
    return None
