"""How far a task attempt has come: a frozen value, folded from the journal's values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import Finding, LedgerEntry, Verifier, VerifierResult
from ai_orchestrator.model.states import OutcomeCode
from ai_orchestrator.model.task import StepView
from ai_orchestrator.model.workflow import AgentStep, ScriptStep, WorkflowSpec
from ai_orchestrator.review.ledger import OWN_SOURCE, advance, open_at_or_above, reject
from ai_orchestrator.review.stop import Round
from ai_orchestrator.review.verification import Verification, verification
from ai_orchestrator.workflows.condition import Facts
from ai_orchestrator.workflows.running.values import Checked, Prepared, StepDone, Stopped


@dataclass(frozen=True, slots=True)
class Place:
    """The next step to look at: its index, the index inside a loop, and the loop's round."""

    index: int = 0
    inner: int = 0
    iteration: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything the plan decides by."""

    head: str
    """The commit that the next step starts from."""
    head_tree: str
    base_tree: str
    verifiers: tuple[Verifier, ...]
    baseline: tuple[VerifierResult, ...]
    started_at: float
    now: float
    """When the last journal value was recorded."""
    place: Place = Place()
    checked_tree: str | None = None
    results: tuple[VerifierResult, ...] = ()
    approvals: Mapping[str, tuple[str, bool | None]] = field(default_factory=dict)
    """Reviewing step -> the tree it judged last, and whether it approved; None: unreadable."""
    has_delivered: bool = False
    ledger: tuple[LedgerEntry, ...] = ()
    rounds: tuple[Round, ...] = ()
    loop_begins: int = 0
    """Index of the first round of the loop that was entered last: others say nothing of it."""
    round_tree: str = ""
    """The tree at the beginning of the current round."""
    last_step: str = "base"
    usage: Usage = field(default_factory=Usage)
    stopped: Stopped | None = None
    sessions: Mapping[str, str] = field(default_factory=dict)
    """Conversation key -> session to continue."""
    summaries: Mapping[str, str] = field(default_factory=dict)
    """Step path -> the end of what its agent said last."""
    reviewed: Mapping[str, str] = field(default_factory=dict)
    """Reviewing step -> the commit it judged last, for the delta of its next review."""


def begin(prepared: Prepared) -> Progress:
    """Progress at the start: the base, as its verifiers left it."""
    return Progress(
        head=prepared.base_commit,
        head_tree=prepared.base_tree,
        base_tree=prepared.base_tree,
        verifiers=prepared.verifiers,
        baseline=prepared.baseline,
        started_at=prepared.began_at or prepared.at,
        now=prepared.at,
        checked_tree=prepared.base_tree if prepared.baseline else None,
        results=prepared.baseline,
        round_tree=prepared.base_tree,
        stopped=prepared.stopped,
    )


def part_of(step: AgentStep) -> str:
    """Whose part the step plays: the implementer's, or that of this very reviewer.

    Reviewers that run side by side must not share a conversation.
    """
    return "implementer" if step.role == "implementer" else step.path.replace("/", ".")


def conversation_key(step: AgentStep) -> str:
    """One conversation per part, agent and account."""
    return f"{part_of(step)}/{step.agent}/{step.account or ''}"


def after_step(progress: Progress, step: AgentStep | ScriptStep, done: StepDone) -> Progress:
    """Progress with a finished step folded in."""
    progress = replace(
        progress,
        head=done.commit,
        head_tree=done.tree,
        now=done.at,
        last_step=step.path,
        usage=progress.usage.plus(done.usage),
        ledger=ledger_after(progress.ledger, step, done),
        summaries={**progress.summaries, step.path: done.summary},
        stopped=progress.stopped or _stop_of(step, done),
    )
    if isinstance(step, AgentStep):
        progress = _with_conversation(progress, step, done)
    return progress


def _with_conversation(progress: Progress, step: AgentStep, done: StepDone) -> Progress:
    if done.session is not None:
        key = conversation_key(step)
        progress = replace(progress, sessions={**progress.sessions, key: done.session})
    if step.asks == "suggestions" and done.suggestions is not None:
        progress = replace(progress, has_delivered=True)
    if step.asks != "verdict":
        return progress
    if step.is_optional and done.outcome == "failed":  # it may fail, and has no say then
        others = {path: said for path, said in progress.approvals.items() if path != step.path}
        return replace(progress, approvals=others)
    approval = done.is_approval if done.verdict is not None else None
    return replace(
        progress,
        approvals={**progress.approvals, step.path: (done.tree, approval)},
        reviewed=progress.reviewed
        if done.verdict is None  # what was not judged is to be shown again, whole
        else {**progress.reviewed, step.path: done.commit},
        has_delivered=progress.has_delivered or done.verdict is not None,
    )


_OUTCOMES = {
    "limit": OutcomeCode.BOUND,
    "quota": OutcomeCode.BUDGET,
    "missing": OutcomeCode.NO_AGENT,
    "environment": OutcomeCode.ENVIRONMENT,
}


def _stop_of(step: AgentStep | ScriptStep, done: StepDone) -> Stopped | None:
    """Why a failed step ends the task, None when it does not."""
    if done.outcome == "succeeded" or step.is_optional:
        return None
    code = _OUTCOMES.get(done.error_kind or "", OutcomeCode.AGENT_FAILED)
    return Stopped(code, f"Step {step.path} failed: {done.reason}")


def ledger_after(
    ledger: tuple[LedgerEntry, ...], step: AgentStep | ScriptStep, done: StepDone
) -> tuple[LedgerEntry, ...]:
    """The ledger with what a finished step raised and rejected."""
    if done.outcome == "failed" or not isinstance(step, AgentStep):
        return ledger
    if step.role == "implementer":
        ledger = _rejected(ledger, done)
    raised = _raised(step, done)
    if raised is None:
        return ledger
    return advance(ledger, raised, iteration=done.iteration, source=step.path)


def _rejected(ledger: tuple[LedgerEntry, ...], done: StepDone) -> tuple[LedgerEntry, ...]:
    """What the orchestrator itself found is not up to the one whose work it judges."""
    own = {entry.fingerprint for entry in ledger if entry.source == OWN_SOURCE}
    return reject(ledger, [one for one in done.rejections if one.id not in own])


def _raised(step: AgentStep, done: StepDone) -> tuple[Finding, ...] | None:
    """What a reviewer found; None where none was asked for or the answer could not be read."""
    if step.asks == "suggestions":
        return done.suggestions
    return None if done.verdict is None else done.verdict.findings


def ledger_after_check(
    ledger: tuple[LedgerEntry, ...], checked: Checked
) -> tuple[LedgerEntry, ...]:
    """The ledger with what the orchestrator itself found while it verified."""
    return advance(ledger, checked.findings, iteration=checked.iteration, source=OWN_SOURCE)


def after_check(progress: Progress, checked: Checked) -> Progress:
    """Progress with the verifiers' results folded in."""
    return replace(
        progress,
        now=checked.at,
        checked_tree=checked.tree,
        results=checked.results,
        ledger=ledger_after_check(progress.ledger, checked),
        verifiers=checked.verifiers or progress.verifiers,
    )


def verified(spec: WorkflowSpec, progress: Progress) -> Verification:
    """What the verifiers say of the tree as it is now."""
    if not progress.verifiers:
        return Verification("none", "There is no verifier.")
    if progress.checked_tree != progress.head_tree:
        return Verification("red", "The verifiers have not run on the last change.")
    return verification(
        progress.results, progress.baseline, is_red_base_allowed=spec.allow_red_base
    )


def approved(progress: Progress) -> bool | None:
    """Every reviewer's last word is an approval of this very tree; None without a readable word."""
    if all(ok is None for _, ok in progress.approvals.values()):
        return None
    return all(ok and tree == progress.head_tree for tree, ok in progress.approvals.values())


def spent_by(attempts: Iterable[StepView]) -> Usage:
    """What they used together, as far as it was measured."""
    spent = Usage()
    for attempt in attempts:
        spent = spent.plus(attempt.usage)
    return spent


def failed_verifiers(progress: Progress) -> tuple[str, ...]:
    """Names of the verifiers that were not green at their last run."""
    return tuple(result.name for result in progress.results if not result.is_green)


def facts(spec: WorkflowSpec, progress: Progress) -> Facts:
    """What conditions may ask about."""
    return Facts(
        iteration=progress.place.iteration,
        open_findings=len(open_at_or_above(progress.ledger, spec.bar)),
        failed_verifiers=len(failed_verifiers(progress)),
        verified=verified(spec, progress).state == "green",
        approved=approved(progress) is True,
        changed=progress.head_tree != progress.base_tree,
    )
