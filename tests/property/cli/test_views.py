"""The two folds over events hold for any sequence of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce as fold

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.cli.lines import to_text
from ai_orchestrator.cli.live_view import SAID_LIMIT, STEPS_LIMIT, LiveView, reduce
from ai_orchestrator.cli.screen import MAX_HEIGHT, panel
from ai_orchestrator.cli.timeline import Timeline
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.events import (
    AgentQuestionData,
    AgentRetryData,
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    AgentWaitData,
    BudgetChangedData,
    CommitMadeData,
    Event,
    EventData,
    FindingChangedData,
    QuotaChangedData,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    UnknownData,
    VerifierFinishedData,
    WorkerChangedData,
)
from ai_orchestrator.model.review import (
    Finding,
    FindingState,
    LedgerEntry,
    Severity,
    VerifierResult,
)
from ai_orchestrator.model.states import OutcomeCode, TaskState

START = datetime(2026, 3, 1, tzinfo=UTC)
texts = st.text(max_size=40) | st.text("a \n\r\t\x1b\x9b", max_size=12)
counts = st.none() | st.integers(0, 10**9)
usages = st.builds(
    Usage, counts, counts, counts, st.none() | st.decimals(0, 1000, places=4, allow_nan=False)
)
findings = st.builds(
    LedgerEntry,
    fingerprint=st.sampled_from("abc"),
    finding=st.builds(
        Finding,
        severity=st.sampled_from(Severity),
        claim=texts,
        file=st.none() | texts,
        line=st.none() | st.integers(1, 99),
    ),
    state=st.sampled_from(FindingState),
    source=st.just("review"),
    first_iteration=st.just(1),
    last_iteration=st.just(1),
    reason=texts,
)
results = st.builds(
    VerifierResult,
    name=st.sampled_from(("tests", "lint")),
    argv=st.just(("x",)),
    code=st.none() | st.integers(0, 2),
    is_timed_out=st.booleans(),
    duration_s=st.floats(0, 1e5),
    output=texts,
)
datas: st.SearchStrategy[EventData] = st.one_of(
    st.builds(
        TaskStateData, st.sampled_from(TaskState), st.none() | st.sampled_from(OutcomeCode), texts
    ),
    st.builds(StepStartedData, st.just("agent"), st.none() | texts, st.none() | texts),
    st.builds(
        StepFinishedData,
        st.sampled_from(("succeeded", "failed", "interrupted", "skipped")),
        texts,
        usage=usages,
    ),
    st.builds(AgentTextData, texts, st.booleans()),
    st.builds(AgentToolData, texts, texts, st.sampled_from(("start", "ok", "error")), texts),
    st.builds(AgentUsageData, usages),
    st.builds(AgentRetryData, texts, counts, st.none() | st.floats(0, 99)),
    st.builds(AgentWaitData, texts, st.booleans()),
    st.builds(AgentQuestionData, texts),
    st.builds(VerifierFinishedData, results, st.just("c"), st.booleans()),
    st.builds(FindingChangedData, findings),
    st.builds(CommitMadeData, st.just("c" * 40), st.just("r"), *[st.integers(0, 99)] * 3),
    st.builds(BudgetChangedData, usages, counts, st.none() | st.floats(0, 99)),
    st.builds(QuotaChangedData, texts, st.none() | texts, st.none() | st.just(START), texts),
    st.builds(WorkerChangedData, texts, texts),
    st.builds(UnknownData, st.just({})),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """A task's events by rising seq, each at any place."""
    found = draw(st.lists(st.tuples(datas, st.sampled_from((None, "a", "b")), st.integers(1, 2))))
    attempts = sorted(draw(st.lists(st.integers(1, 3), min_size=len(found), max_size=len(found))))
    return [
        Event(
            seq=seq,
            id=str(seq),
            ts=START + timedelta(seconds=seq),
            project="default",
            task="t",
            task_attempt=task_attempt,
            type=type(data).type,
            data=data,
            iteration=None if step is None else iteration,
            step=step,
            attempt=None if step is None else 1,
        )
        for seq, ((data, step, iteration), task_attempt) in enumerate(
            zip(found, attempts, strict=True), start=1
        )
    ]


@given(logs())
def test_any_log_gives_a_bounded_view(log: list[Event]) -> None:
    """Nothing raises, nothing grows without end, nothing measured becomes negative."""
    view = fold(reduce, log, LiveView())

    assert view.last_seq == len(log)
    assert len(view.said) <= SAID_LIMIT
    assert len(view.steps) <= STEPS_LIMIT
    assert (view.usage.total_tokens or 0) >= 0
    assert (view.usage.cost_usd or Decimal(0)) >= 0


@given(logs(), st.data())
def test_repeating_events_changes_nothing(log: list[Event], data: st.DataObject) -> None:
    """A stream may be taken up at any earlier place."""
    view = fold(reduce, log, LiveView())
    again = data.draw(st.integers(0, len(log)))

    assert fold(reduce, log[again:], view) == view


@given(logs(), st.integers(1, 60))
def test_any_view_fits_its_panel(log: list[Event], height: int) -> None:
    """One screen line each, never more than there is room for."""
    lines = panel(fold(reduce, log, LiveView()), now=START + timedelta(hours=1), height=height)

    assert len(lines) <= max(min(height, MAX_HEIGHT), 6)
    assert not any("\n" in to_text(line, is_coloured=False) for line in lines)


@given(logs(), st.booleans())
def test_any_log_is_told_in_single_lines(log: list[Event], is_verbose: bool) -> None:  # noqa: FBT001  # hypothesis passes it by place
    """No event breaks the timeline, and no text gets out of its line."""
    timeline = Timeline(is_verbose=is_verbose)
    lines = [line for event in log for line in timeline.feed(event)] + timeline.flush()

    assert not any(set("\n\x1b\r") & set(to_text(line, is_coloured=False)) for line in lines)


@given(st.lists(st.text(alphabet="ab \n", max_size=12)))
def test_verbose_loses_no_word(pieces: list[str]) -> None:
    """However a text is cut into deltas, its words come out in order."""
    timeline = Timeline(is_verbose=True)
    lines = []
    for seq, piece in enumerate(pieces, start=1):
        data = AgentTextData(piece, is_delta=True)
        event = Event(seq, str(seq), START, "p", "t", 1, "agent.text", data, 1, "s", 1)
        lines += timeline.feed(event)
    told = [to_text(line, is_coloured=False) for line in lines + timeline.flush()]

    words = " ".join(text.partition("| ")[2] for text in told).split()
    assert words == "".join(pieces).split()
