"""What a step's prompt shows of the work so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from ai_orchestrator.model.review import (
    Finding,
    FindingState,
    LedgerEntry,
    Severity,
    Verifier,
    VerifierResult,
)
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.model.task import Diff, RepositorySource
from ai_orchestrator.model.workflow import AgentStep, WorkflowSpec
from ai_orchestrator.workflows.prompts import PromptInputs
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.progress import Progress, begin
from ai_orchestrator.workflows.running.prompt_inputs import (
    DIFF_IN_PROMPT_BYTES,
    PATCH_NAME,
    Places,
    PromptMaker,
    findings_to_show,
    verifier_output,
)
from ai_orchestrator.workflows.running.values import Prepared
from ai_orchestrator.workflows.running.world import TaskFacts

TEMPLATE = "{{ task }} {{ diff }} {{ diff_stat }} {{ open_findings }} {{ verifier_output }}"


@dataclass
class Commits:
    """The three questions that prompts ask of a task's repository; each patch names its ends."""

    parents: dict[str, str] = field(default_factory=dict)
    patch_bytes: int = 0

    async def diff(self, base: str, commit: str) -> Diff:
        """A stat that names both ends."""
        return Diff(base, commit, (), f"stat {base}..{commit}")

    async def patch(self, base: str, commit: str, *, limit_bytes: int) -> tuple[bytes, bool]:
        """A patch that names both ends, as long as was wanted."""
        whole = f"{base}..{commit}".encode() + b"x" * self.patch_bytes
        return whole[:limit_bytes], len(whole) > limit_bytes

    async def parent(self, commit: str) -> str | None:
        """The commit's parent."""
        return self.parents.get(commit)


def step(asks: str) -> AgentStep:
    """A step that asks for this."""
    fields: dict[str, Any] = {
        "path": "improve/step",
        "task": "t",
        "agent": "a",
        "role": "reviewer",
        "asks": asks,
        "permission": "read-only",
        "prompt": "p",
    }
    return AgentStep(**fields)


def maker(
    asks: str, progress: Progress, commits: Commits, tmp: Path, template: str = TEMPLATE
) -> PromptMaker:
    """Prompts of that step."""
    spec = WorkflowSpec("w", "", SuccessRule.VERIFIED, (), {}, {}, {"p": template}, None)
    source = RepositorySource(path="/r")
    facts = TaskFacts("t-x", 1, "Mend it", spec, source, "base", "", "", "local:me")
    places = Places("/work", tmp, "/tmp")
    return PromptMaker(facts, progress, step(asks), 2, cast("TaskTree", commits), places)


def progress(head: str = "head", **changes: Any) -> Progress:
    """A task that came to the head."""
    prepared = Prepared("base", "t0", (Verifier("tests", ("make", "test it")),))
    return replace(begin(prepared), head=head, **changes)


async def inputs(
    asks: str, now: Progress, tmp: Path, commits: Commits | None = None
) -> PromptInputs:
    """What the prompt is filled with."""
    return await maker(asks, now, commits or Commits(), tmp).gather()


async def test_a_reviewer_first_sees_the_whole_change(tmp_path: Path) -> None:
    """As text and as stat."""
    shown = await inputs("verdict", progress(), tmp_path)
    assert (shown.diff, shown.diff_stat) == ("base..head", "stat base..head")


async def test_a_reviewer_then_sees_what_came_since_its_last_look(tmp_path: Path) -> None:
    """What it has judged it has judged."""
    now = progress(reviewed={"improve/step": "seen"})
    assert (await inputs("verdict", now, tmp_path)).diff == "seen..head"


@pytest.mark.parametrize(
    ("parents", "diff"), [({"base": "older"}, "older..base"), ({}, "")], ids=["commit", "root"]
)
async def test_a_reviewer_of_nothing_new_sees_the_last_commit(
    tmp_path: Path, parents: dict[str, str], diff: str
) -> None:
    """A review alone, without a change before it; a root commit has nothing before it."""
    shown = await inputs("verdict", progress("base"), tmp_path, Commits(parents))
    assert shown.diff == diff


async def test_a_change_too_large_for_a_prompt_is_a_file(tmp_path: Path) -> None:
    """Where the agent can read it, by the path that it sees."""
    commits = Commits(patch_bytes=DIFF_IN_PROMPT_BYTES)
    shown = await inputs("verdict", progress(), tmp_path, commits)
    assert f"/tmp/{PATCH_NAME}" in shown.diff
    assert shown.diff_stat == "stat base..head"
    assert (tmp_path / PATCH_NAME).read_bytes().startswith(b"base..head")


async def test_a_writer_sees_no_patch_of_its_own_work(tmp_path: Path) -> None:
    """It has the files; the stat reminds it of what was changed, once something was."""
    shown = await inputs("change", progress(), tmp_path)
    assert (shown.diff, shown.diff_stat) == ("", "stat base..head")
    assert (await inputs("change", progress("base"), tmp_path)).diff_stat == ""


async def test_everything_else_comes_from_the_progress(tmp_path: Path) -> None:
    """Words of the step before, protected files, command lines as one would type them."""
    now = progress(last_step="write", summaries={"write": "I did", "older": "no"})
    shown = await inputs("change", now, tmp_path)
    assert (shown.task, shown.previous_summary) == ("Mend it", "I did")
    assert shown.commands == ("make 'test it'",)
    assert (shown.step_path, shown.iteration, shown.working_directory) == (
        "improve/step",
        2,
        "/work",
    )


async def test_an_interrupted_agent_is_told_so(tmp_path: Path) -> None:
    """And only such a one."""
    prompts = maker("change", progress(), Commits(), tmp_path)
    gathered = await prompts.gather()
    assert "interrupted" in prompts.first(gathered, "resumed")
    for how in ("fresh", "continued", "restarted"):
        assert "interrupted" not in prompts.first(gathered, how)


async def test_an_answer_that_could_not_be_read_is_asked_for_again(tmp_path: Path) -> None:
    """With the reason; in the words of the workflow where it has some."""
    prompts = maker("verdict", progress(), Commits(), tmp_path)
    assert "no JSON found" in prompts.again("no JSON found")
    own = {"p": TEMPLATE, "review_again": "Again: {{ problem }}"}
    spec = WorkflowSpec("w", "", SuccessRule.VERIFIED, (), {}, {}, own, None)
    mine = replace(prompts, facts=replace(prompts.facts, spec=spec))
    assert "Again: " in mine.again("no JSON found")


def entry(state: FindingState) -> LedgerEntry:
    """A finding in that state."""
    return LedgerEntry(state, Finding(Severity.LOW, "x"), state, "review", 1, 1)


def test_a_reviewer_also_sees_what_was_rejected() -> None:
    """An implementer need not answer twice; nobody sees what is fixed."""
    ledger = [entry(state) for state in FindingState]
    shown = findings_to_show(ledger, is_reviewing=True)
    assert {one.state for one in shown} == set(FindingState) - {FindingState.FIXED}
    shown = findings_to_show(ledger, is_reviewing=False)
    assert {one.state for one in shown} == {FindingState.NEW, FindingState.RECURRING}


def test_verifiers_that_passed_say_nothing() -> None:
    """The others under their command line, with how they ended."""
    results = [
        VerifierResult("a", ("make", "a b"), 0, False, 1.0, "fine\n"),  # noqa: FBT003
        VerifierResult("b", ("make", "b"), 2, False, 1.0, "broken\n\n"),  # noqa: FBT003
        VerifierResult("c", ("make", "c c"), None, True, 61.4, ""),  # noqa: FBT003
    ]
    assert verifier_output(results) == (
        "$ make b\nbroken\n[exit status 2]\n\n$ make 'c c'\n\n[stopped after 61 s]"
    )
