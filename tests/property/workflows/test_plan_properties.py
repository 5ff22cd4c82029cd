"""The plan of any workflow, played against a world that answers anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.review import Finding, LedgerEntry, Severity, Verdict, Verifier
from ai_orchestrator.model.review import VerifierResult as Result
from ai_orchestrator.model.states import OutcomeCode, SuccessRule
from ai_orchestrator.model.workflow import (
    AgentSpec,
    AgentStep,
    LoopStep,
    ParallelStep,
    ScriptStep,
    Step,
    WorkflowSpec,
)
from ai_orchestrator.review.ledger import OWN_SOURCE, changed_entries
from ai_orchestrator.review.verdict import judge
from ai_orchestrator.workflows.running.plan import EMPTY_TREE, Check, Finish, Run, next_move
from ai_orchestrator.workflows.running.progress import Progress, after_check, after_step, begin
from ai_orchestrator.workflows.running.values import Checked, Prepared, StepDone

T = TypeVar("T")
Draw = Any
"""What `st.data()` gives: draws a value of a strategy."""
SUITE = Verifier("tests", ("make", "test"))
TREES = ("base", "t1", "t2", "t3")
CONDITIONS = (
    None,
    "iteration == 1",
    "iteration > 1",
    "open_findings > 0",
    "not verified",
    "approved",
    "changed",
    "failed_verifiers > 0 or not changed",
)
KINDS = ("change", "change", "change", "verdict", "verdict", "suggestions", "script", "parallel")
UNTIL = ("approved and verified", "verified", "changed", "open_findings == 0", "iteration > 99")
SUCCESSES = {
    SuccessRule.APPROVED_VERIFIED: OutcomeCode.APPROVED_VERIFIED,
    SuccessRule.VERIFIED: OutcomeCode.VERIFIED,
    SuccessRule.CHANGED_VERIFIED: OutcomeCode.CHANGED_VERIFIED,
    SuccessRule.REVIEW_DELIVERED: OutcomeCode.REVIEW_DELIVERED,
}

findings = st.builds(
    Finding,
    severity=st.sampled_from(Severity),
    claim=st.sampled_from(["divides by zero", "leaks the handle of the log", "names mean little"]),
    file=st.sampled_from(["a.py", "b.py"]),
    line=st.integers(1, 9),
)
few_findings: st.SearchStrategy[list[Finding]] = st.just([]) | st.lists(findings, max_size=2)
often = st.sampled_from([True, True, True, False])
usages = st.builds(Usage, st.none() | st.integers(0, 400), st.none() | st.integers(0, 100))


def agent(path: str, asks: Literal["change", "verdict", "suggestions"], draw: Draw) -> AgentStep:
    """A step as the loader makes it."""
    is_writer = asks == "change"
    return AgentStep(
        path=path,
        task="implement" if is_writer else "review",
        agent="a",
        role="implementer" if is_writer else "reviewer",
        asks=asks,
        permission="write" if is_writer else "read-only",
        prompt="p",
        when=condition(draw),
        is_optional=not draw(often),
    )


def condition(draw: Draw) -> str | None:
    """When a step is wanted; mostly always."""
    return None if draw(often) else draw(st.sampled_from(CONDITIONS))


def simple_step(path: str, draw: Draw) -> AgentStep | ScriptStep | ParallelStep:
    """Any step but a loop."""
    kind = draw(st.sampled_from(KINDS))
    if kind == "script":
        return ScriptStep(path, ("true",), when=condition(draw), is_optional=not draw(often))
    if kind == "parallel":
        paths = [f"{path}/p{index}" for index in range(draw(st.integers(1, 3)))]
        steps = tuple(
            msgspec.structs.replace(agent(one, "verdict", draw), when=None) for one in paths
        )
        return ParallelStep(path, steps, when=condition(draw))
    return agent(path, kind, draw)


def step(path: str, draw: Draw) -> Step:
    """Any step."""
    if draw(st.booleans()):
        return simple_step(path, draw)
    inner = tuple(simple_step(f"{path}/s{n}", draw) for n in range(draw(st.integers(1, 3))))
    return LoopStep(path, inner, draw(st.sampled_from(UNTIL)), draw(st.integers(1, 3)))


def workflow(draw: Draw) -> WorkflowSpec:
    """Any workflow, also one that nobody would write."""
    return WorkflowSpec(
        name="w",
        description="",
        success=draw(st.sampled_from(SuccessRule)),
        steps=tuple(step(f"s{n}", draw) for n in range(draw(st.integers(1, 3)))),
        agents={"a": AgentSpec("a", "command", ("true",))},
        accounts={},
        prompts={"p": ""},
        verifiers=None,
        bar=draw(st.sampled_from(Severity)),
        min_open_findings=draw(st.integers(1, 2)),
        fail_on=draw(st.none() | st.sampled_from(Severity)),
        allow_red_base=draw(st.booleans()),
        allow_unverified=draw(st.booleans()),
        max_tokens=None if draw(often) else draw(st.integers(1, 2_000)),
        max_duration_s=1e6 if draw(often) else 5.0,
    )


@dataclass
class World:
    """Answers every move as it likes, and remembers what is so by now."""

    draw: Draw
    spec: WorkflowSpec
    values: list[Prepared | StepDone | Checked] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    words: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Reviewing step -> the tree it judged last, and whether it approved."""
    is_delivered: bool = False
    green: tuple[str, bool] | None = None
    """The tree that the verifiers saw last, and whether it passes under the rules."""

    def prepare(self) -> Prepared:
        """Any base that a task may start from."""
        has_suite = self.draw(often)
        base = "base" if self.draw(often) else EMPTY_TREE
        is_green = self.draw(st.booleans()) or not self.spec.allow_red_base
        results = (self.result(is_green=is_green),) if has_suite and base == "base" else ()
        prepared = Prepared("c0", base, (SUITE,) if results else (), results, at=100.0)
        if results:
            self.green = (base, is_green or self.spec.allow_red_base)
        self.values.append(prepared)
        return prepared

    def result(self, *, is_green: bool) -> Result:
        """One run of the suite."""
        said = self.draw(st.sampled_from(["one", "two"]))
        return Result("tests", ("make", "test"), 0 if is_green else 1, False, 1.0, said)  # noqa: FBT003

    def run(self, progress: Progress, one: AgentStep | ScriptStep, iteration: int) -> StepDone:
        """Any outcome of a step."""
        is_writer = isinstance(one, ScriptStep) or one.permission == "write"
        has_failed = not self.draw(often) and not self.draw(often)
        tree = progress.head_tree
        if is_writer and not has_failed:
            tree = self.draw(st.sampled_from(TREES[1:] if self.draw(often) else TREES))
        done = StepDone(
            step=one.path,
            iteration=iteration,
            attempt=1,
            outcome="failed" if has_failed else "succeeded",
            commit=f"c-{tree}",
            tree=tree,
            is_changed=tree != progress.head_tree,
            error_kind=self.draw(st.sampled_from(["crash", "limit", "quota", "missing"]))
            if has_failed
            else None,
            reason="it crashed" if has_failed else "",
            usage=self.draw(usages),
            at=progress.now + self.draw(st.sampled_from([0.1, 1.0])),
        )
        if isinstance(one, AgentStep):
            done = self.answer(one, done)
        return done

    def answer(self, one: AgentStep, done: StepDone) -> StepDone:
        """What a reviewer says; now and then nothing that can be read."""
        raised = tuple(self.draw(few_findings))
        if one.asks == "suggestions" and done.outcome == "succeeded" and self.draw(often):
            self.is_delivered = True
            return msgspec.structs.replace(done, suggestions=raised)
        if one.asks != "verdict":
            return done
        is_approval, verdict = False, None
        if done.outcome == "succeeded" and self.draw(st.integers(0, 9)) > 0:
            word = "approve" if self.draw(often) else "request_changes"
            verdict = Verdict(word, raised)  # type: ignore[arg-type]  # one of the two
            judgement = judge(verdict, self.spec.bar, min_open_findings=self.spec.min_open_findings)
            is_approval, self.is_delivered = judgement.is_approval, True
        if one.is_optional and done.outcome == "failed":
            self.words.pop(one.path, None)
        else:
            self.words[one.path] = (done.tree, is_approval)
        return msgspec.structs.replace(done, verdict=verdict, is_approval=is_approval)

    def check(self, progress: Progress, move: Check) -> Checked:
        """Any results, and now and then a finding of our own."""
        is_green = self.draw(often)
        results: tuple[Result, ...] = (self.result(is_green=is_green),)
        if not progress.verifiers and self.draw(st.booleans()):
            results = ()  # nothing was detected in the first commit either
        base_is_red = any(not one.is_green for one in progress.baseline)
        passes = is_green or (self.spec.allow_red_base and base_is_red)
        self.green = (progress.head_tree, passes) if results else None
        return Checked(
            step=f"{move.after}/verify",
            iteration=move.iteration,
            commit=progress.head,
            tree=progress.head_tree,
            results=results,
            findings=() if self.draw(often) else (self.draw(findings),),
            verifiers=(SUITE,) if results and not progress.verifiers else (),
            at=progress.now + 1.0,
        )

    def act(self, move: Run | Check, progress: Progress) -> Progress:
        """Progress after the world answered."""
        if isinstance(move, Check):
            checked = self.check(progress, move)
            self.values.append(checked)
            return after_check(progress, checked)
        steps = move.step.steps if isinstance(move.step, ParallelStep) else (move.step,)
        for one in steps:
            done = self.run(progress, one, move.iteration)
            self.values.append(done)
            progress = after_step(progress, one, done)
        return progress


@dataclass(frozen=True)
class Played:
    """A whole play: every progress on the way, and the end."""

    spec: WorkflowSpec
    world: World
    stages: list[Progress]
    end: Finish

    @property
    def last(self) -> Progress:
        """The state that the end was told of."""
        return self.stages[-1]


def bound(spec: WorkflowSpec) -> int:
    """Moves that no play may exceed: each step with its verification, in each allowed round."""
    rounds = [
        one.max_iterations * len(one.steps) if isinstance(one, LoopStep) else 1
        for one in spec.steps
    ]
    return 2 * sum(rounds) + 2


def play(draw: Draw) -> Played:
    """Any workflow in any world, to its end."""
    spec = workflow(draw)
    world = World(draw, spec)
    progress = begin(world.prepare())
    stages = [progress]
    for _ in range(bound(spec)):
        move, progress = next_move(spec, progress)
        world.moves.append(name(move))
        if isinstance(move, Finish):
            return Played(spec, world, [*stages, progress], move)
        progress = world.act(move, progress)
        stages.append(progress)
    raise AssertionError(f"no end after {bound(spec)} moves: {world.moves}")


def name(move: Run | Check | Finish) -> str:
    """A move as a text."""
    if isinstance(move, Finish):
        return f"finish {move.outcome} {move.is_success} {move.reason}"
    if isinstance(move, Check):
        return f"check {move.after} {move.iteration}"
    return f"run {move.step.path} {move.iteration}"


def counting(ledger: tuple[LedgerEntry, ...], bar: Severity, *, own: bool) -> int:
    """Open entries at or above the bar, of ourselves or of reviewers."""
    return sum(
        entry.is_open
        and entry.finding.severity.rank >= bar.rank
        and (entry.source == OWN_SOURCE) is own
        for entry in ledger
    )


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_every_play_ends_and_says_why(data: st.DataObject) -> None:
    """Within a bound that follows from the workflow alone, with a sentence for people."""
    played = play(data.draw)
    assert played.end.reason
    assert played.end.outcome is not OutcomeCode.INTERNAL, played.world.moves


@settings(max_examples=1_000, deadline=None)
@given(data=st.data())
def test_success_is_told_only_where_the_rule_holds_in_the_last_state(data: st.DataObject) -> None:
    """Checked against what the world remembers, not against what the plan believes."""
    played = play(data.draw)
    if not played.end.is_success:
        return
    spec, world, last = played.spec, played.world, played.last
    assert last.stopped is None
    if spec.success is SuccessRule.REVIEW_DELIVERED:
        assert world.is_delivered
    elif played.end.outcome is OutcomeCode.UNVERIFIED:
        assert spec.allow_unverified
        assert not last.verifiers
    else:
        assert played.end.outcome is SUCCESSES[spec.success]
        assert world.green == (last.head_tree, True)
    if spec.success is SuccessRule.CHANGED_VERIFIED:
        assert last.head_tree != last.base_tree
    if spec.success is SuccessRule.APPROVED_VERIFIED:
        assert world.words
        assert set(world.words.values()) == {(last.head_tree, True)}
    if spec.success is not SuccessRule.REVIEW_DELIVERED:
        assert counting(last.ledger, spec.bar, own=True) == 0
    if spec.fail_on is not None:
        assert counting(last.ledger, spec.fail_on, own=False) == 0
        assert counting(last.ledger, spec.fail_on, own=True) == 0


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_replay_from_any_place_makes_the_same_moves(data: st.DataObject) -> None:
    """Whoever re-enters after a crash folds the same values and is told the same."""
    played = play(data.draw)
    values = list(played.world.values)
    first = values.pop(0)
    assert isinstance(first, Prepared)
    progress = begin(first)
    moves: list[str] = []
    while True:
        assert progress == played.stages[len(moves)]
        move, progress = next_move(played.spec, progress)
        assert (move, progress) == next_move(played.spec, played.stages[len(moves)])
        moves.append(name(move))
        if isinstance(move, Finish):
            break
        progress = replayed(move, progress, values)
    assert moves == played.world.moves
    assert values == []


def replayed(move: Run | Check, progress: Progress, values: list[Any]) -> Progress:
    """Progress with the journal's next values folded in, as they come back from JSON."""
    if isinstance(move, Check):
        return after_check(progress, through_json(values.pop(0)))
    steps = move.step.steps if isinstance(move.step, ParallelStep) else (move.step,)
    for one in steps:
        progress = after_step(progress, one, through_json(values.pop(0)))
    return progress


def through_json(value: T) -> T:
    """The value as the journal gives it back."""
    return msgspec.convert(
        msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(value))),
        type(value),
        strict=False,
    )


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_rows_of_the_ledger_come_to_the_ledger_that_the_plan_sees(data: st.DataObject) -> None:
    """Written entry by entry as they change, and folded from the journal's values: the same."""
    played = play(data.draw)
    rows: dict[str, LedgerEntry] = {}
    for before, after in zip(played.stages, played.stages[1:], strict=False):
        for entry in changed_entries(before.ledger, after.ledger):
            rows[entry.fingerprint] = entry
    assert list(rows.values()) == list(played.last.ledger)
