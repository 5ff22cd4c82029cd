"""Gathers what a step's prompt shows: the change, the findings, what the verifiers said."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.model.review import FindingState, LedgerEntry, VerifierResult
from ai_orchestrator.model.workflow import AgentStep
from ai_orchestrator.workflows.prompts import (
    REVIEW_AGAIN,
    PromptInputs,
    asks_for,
    built_in_prompt,
    render,
)
from ai_orchestrator.workflows.running.ports import TaskTree
from ai_orchestrator.workflows.running.progress import Progress
from ai_orchestrator.workflows.running.world import TaskFacts

DIFF_IN_PROMPT_BYTES = 150_000
"""A larger change goes into a file, and the prompt has its stat: about 40,000 tokens, a guess."""
PATCH_FILE_BYTES = 64 * 2**20
PATCH_NAME = "change.patch"
_INTERRUPTED = (
    "You were interrupted in the middle of this step. The working directory is as you left it: "
    "look at what is already done, then finish."
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the agent sees things, and where we put them."""

    work_seen: str
    """The agent's own path of its tree."""
    tmp: Path
    """TMPDIR of the attempt on the host."""
    tmp_seen: str
    """The agent's own path of TMPDIR."""


@dataclass(frozen=True, slots=True)
class PromptMaker:
    """Prompts of one step in one round."""

    facts: TaskFacts
    progress: Progress
    step: AgentStep
    iteration: int
    tree: TaskTree
    places: Places

    def first(self, inputs: PromptInputs, how: str) -> str:
        """The prompt that opens the attempt; `how` it begins is said where it was interrupted."""
        prompt = render(self._template, inputs)
        return f"{prompt}\n{_INTERRUPTED}\n" if how == "resumed" else prompt

    def again(self, problem: str) -> str:
        """The prompt that asks once more for an answer that did not parse."""
        inputs = PromptInputs(
            step_path=self.step.path,
            iteration=self.iteration,
            task=self.facts.task,
            working_directory=self.places.work_seen,
            problem=problem,
        )
        return render(
            self.facts.spec.prompts.get(REVIEW_AGAIN, built_in_prompt(REVIEW_AGAIN)), inputs
        )

    @property
    def _template(self) -> str:
        return self.facts.spec.prompts[self.step.prompt]

    async def gather(self) -> PromptInputs:
        """What the prompt shows. Git is asked only for what the template names."""
        spec, progress = self.facts.spec, self.progress
        is_reviewing = self.step.asks != "change"
        diff, stat = await self._change() if is_reviewing else ("", await self._stat())
        return PromptInputs(
            step_path=self.step.path,
            iteration=self.iteration,
            task=self.facts.task,
            working_directory=self.places.work_seen,
            diff=diff,
            diff_stat=stat,
            open_findings=findings_to_show(progress.ledger, is_reviewing=is_reviewing),
            verifier_output=verifier_output(progress.results),
            previous_summary=progress.summaries.get(progress.last_step, ""),
            protected=spec.protected,
            commands=tuple(shlex.join(verifier.argv) for verifier in progress.verifiers),
        )

    async def _stat(self) -> str:
        """What was changed since the base, file by file; nothing at first."""
        if self.progress.head == self.facts.base or not asks_for(self._template, "diff_stat"):
            return ""
        return (await self.tree.diff(self.facts.base, self.progress.head)).stat

    async def _change(self) -> tuple[str, str]:
        """The delta since this reviewer's last look, as text and as stat."""
        since = await self._since()
        if since is None:
            return "", ""
        head = self.progress.head
        diff = await self.tree.diff(since, head)
        patch, is_cut = await self.tree.patch(since, head, limit_bytes=DIFF_IN_PROMPT_BYTES)
        if not is_cut:
            return patch.decode("utf-8", "replace"), diff.stat
        whole, _ = await self.tree.patch(since, head, limit_bytes=PATCH_FILE_BYTES)
        await asyncio.to_thread((self.places.tmp / PATCH_NAME).write_bytes, whole)
        seen = f"{self.places.tmp_seen}/{PATCH_NAME}"
        return f"The change is too large to show ({len(whole)} bytes). Read it in {seen}", diff.stat

    async def _since(self) -> str | None:
        """The commit that the reviewer compares with; None when there is nothing before it."""
        reviewed = self.progress.reviewed.get(self.step.path)
        if reviewed is not None:
            return reviewed
        if self.progress.head != self.facts.base:
            return self.facts.base
        return await self.tree.parent(self.facts.base)


def findings_to_show(
    ledger: Sequence[LedgerEntry], *, is_reviewing: bool
) -> tuple[LedgerEntry, ...]:
    """The open findings; a reviewer also sees what was rejected, and why. Pure."""
    return tuple(
        entry
        for entry in ledger
        if entry.is_open or (is_reviewing and entry.state is FindingState.REJECTED)
    )


def verifier_output(results: Sequence[VerifierResult]) -> str:
    """What the verifiers that are not green printed, each under its command line. Pure."""
    return "\n\n".join(
        f"$ {shlex.join(result.argv)}\n{result.output.rstrip()}\n[{_ending(result)}]"
        for result in results
        if not result.is_green
    )


def _ending(result: VerifierResult) -> str:
    if result.is_timed_out:
        return f"stopped after {result.duration_s:.0f} s"
    return f"exit status {result.code}"
