"""The ledger over any history of reviews: nothing is lost, nothing goes back in time."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.model.review import Finding, FindingState, LedgerEntry, Severity
from ai_orchestrator.review.ledger import advance, reject
from ai_orchestrator.review.verdict import Rejection

words = st.lists(
    st.sampled_from(
        [
            "division",
            "zero",
            "handled",
            "leak",
            "socket",
            "closed",
            "test",
            "missing",
            "docstring",
            "12",
        ]
    ),
    min_size=1,
    max_size=5,
).map(" ".join)
findings = st.builds(
    Finding,
    severity=st.sampled_from(Severity),
    claim=words,
    file=st.sampled_from([None, "a.py", "b.py"]),
    line=st.one_of(st.none(), st.integers(1, 50)),
)
reviews = st.tuples(
    st.sampled_from(["review", "security"]),
    st.lists(findings, max_size=5),
    st.lists(st.integers(0, 20), max_size=3),
)
histories = st.lists(reviews, max_size=6)
Review = tuple[str, list[Finding], list[int]]


def steps(history: list[Review]) -> list[tuple[LedgerEntry, ...]]:
    """The ledger before and after each review; the numbers say which entries are rejected."""
    ledgers: list[tuple[LedgerEntry, ...]] = [()]
    for iteration, (source, raised, rejected) in enumerate(history, start=1):
        ledger = ledgers[-1]
        named = [ledger[n].fingerprint for n in rejected if n < len(ledger)]
        rejections = [Rejection(name, "not so") for name in named]
        rejected_first = reject(ledger, rejections)
        ledgers.append(advance(rejected_first, raised, iteration=iteration, source=source))
    return ledgers


@given(histories)
def test_no_entry_is_ever_lost(history: list[Review]) -> None:
    """Each keeps its place, its fingerprint, its source and its beginning."""
    ledgers = steps(history)
    for before, after in itertools.pairwise(ledgers):
        kept = after[: len(before)]
        assert [(e.fingerprint, e.source, e.first_iteration) for e in kept] == [
            (e.fingerprint, e.source, e.first_iteration) for e in before
        ]
    names = [entry.fingerprint for entry in ledgers[-1]]
    assert len(names) == len(set(names))


@given(histories)
def test_every_raised_finding_is_open_afterwards(history: list[Review]) -> None:
    """Each in an entry of its own, with the words in which it was raised last."""
    ledgers = steps(history)
    for (source, raised, _), ledger in zip(history, ledgers[1:], strict=True):
        is_open = [entry for entry in ledger if entry.source == source and entry.is_open]
        assert sorted(map(str, raised)) == sorted(str(entry.finding) for entry in is_open)


@given(histories)
def test_times_and_rounds_only_grow(history: list[Review]) -> None:
    """An entry is raised at most once per round."""
    ledgers = steps(history)
    for before, after in itertools.pairwise(ledgers):
        for old, new in zip(before, after, strict=False):
            assert old.times_raised <= new.times_raised <= old.times_raised + 1
            assert old.last_iteration <= new.last_iteration
    for entry in ledgers[-1]:
        assert 1 <= entry.times_raised <= entry.last_iteration - entry.first_iteration + 1


@given(histories)
def test_state_and_reason_fit_each_other(history: list[Review]) -> None:
    """Only what is rejected has a reason; only what was raised once in its first round is new."""
    for entry in steps(history)[-1]:
        assert bool(entry.reason) is (entry.state is FindingState.REJECTED)
        if entry.state is FindingState.NEW:
            assert entry.first_iteration == entry.last_iteration


@given(histories, st.lists(findings, max_size=5))
def test_repeating_a_review_changes_nothing(history: list[Review], raised: list[Finding]) -> None:
    """A step that is re-entered after a crash counts once."""
    before = steps(history)[-1]
    iteration = len(history) + 1
    once = advance(before, raised, iteration=iteration, source="review")
    assert advance(once, raised, iteration=iteration, source="review") == once


@given(histories, st.lists(findings, max_size=5))
def test_what_was_fixed_can_come_back(history: list[Review], raised: list[Finding]) -> None:
    """A silent review fixes all of a source; raising it again opens all, with no new entry."""
    iteration = len(history) + 1
    opened = advance(steps(history)[-1], raised, iteration=iteration, source="review")
    silent = advance(opened, [], iteration=iteration + 1, source="review")
    assert not [entry for entry in silent if entry.source == "review" and entry.is_open]
    again = advance(silent, raised, iteration=iteration + 2, source="review")
    assert len(again) == len(opened)
    is_open = [entry for entry in again if entry.source == "review" and entry.is_open]
    assert {entry.state for entry in is_open} <= {FindingState.RECURRING}
    assert len(is_open) == len(raised)


@given(histories, st.permutations(range(4)))
def test_order_of_rejections_does_not_matter(history: list[Review], order: list[int]) -> None:
    """Each is about an entry of its own."""
    ledger = steps(history)[-1]
    rejections = [Rejection(entry.fingerprint, entry.fingerprint) for entry in ledger[:4]]
    shuffled = [rejections[n] for n in order if n < len(rejections)]
    assert reject(ledger, shuffled) == reject(ledger, rejections)
