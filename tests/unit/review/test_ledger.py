"""What becomes of findings from round to round."""

from __future__ import annotations

from ai_orchestrator.model.review import Finding, FindingState, LedgerEntry, Severity
from ai_orchestrator.review.ledger import (
    advance,
    changed_entries,
    open_at_or_above,
    reject,
)
from ai_orchestrator.review.verdict import Rejection

ZERO = Finding(Severity.HIGH, "Division by zero is not handled in divide()", "core.py", 12)
ZERO_AGAIN = Finding(Severity.HIGH, "divide() does not handle division by zero", "core.py", 14)
LEAK = Finding(Severity.LOW, "The socket is never closed", "net.py", 3)


def review(
    entries: tuple[LedgerEntry, ...], *raised: Finding, iteration: int, source: str = "review"
) -> tuple[LedgerEntry, ...]:
    """The ledger after a review."""
    return advance(entries, raised, iteration=iteration, source=source)


def states(entries: tuple[LedgerEntry, ...]) -> list[str]:
    """The entries' states in order."""
    return [entry.state.value for entry in entries]


def test_first_review_makes_new_entries() -> None:
    """Each finding is an entry, in the order in which it was raised."""
    ledger = review((), ZERO, LEAK, iteration=1)
    assert states(ledger) == ["new", "new"]
    assert [entry.finding for entry in ledger] == [ZERO, LEAK]
    assert all(entry.first_iteration == entry.last_iteration == 1 for entry in ledger)


def test_finding_raised_again_in_other_words_is_recurring() -> None:
    """Re-wording does not hide that nothing was mended."""
    ledger = review(review((), ZERO, iteration=1), ZERO_AGAIN, iteration=2)
    assert states(ledger) == ["recurring"]
    assert (ledger[0].times_raised, ledger[0].last_iteration) == (2, 2)
    assert ledger[0].finding == ZERO_AGAIN
    assert ledger[0].fingerprint == review((), ZERO, iteration=1)[0].fingerprint


def test_first_wording_coming_back_is_the_same_entry() -> None:
    """An entry is known by its first words as well as by its latest, however far they are apart."""
    first, second, third = (
        Finding(Severity.HIGH, claim, "core.py")
        for claim in ("alpha beta gamma delta", "gamma delta kappa zeta", "kappa zeta theta iota")
    )
    ledger: tuple[LedgerEntry, ...] = ()
    for iteration, finding in enumerate((first, second, third, first), start=1):
        ledger = review(ledger, finding, iteration=iteration)
    assert (states(ledger), ledger[0].times_raised) == (["recurring"], 4)


def test_finding_not_raised_again_is_fixed() -> None:
    """The same reviewer's silence answers for its own findings."""
    ledger = review(review((), ZERO, LEAK, iteration=1), LEAK, iteration=2)
    assert states(ledger) == ["fixed", "recurring"]


def test_fixed_finding_that_comes_back_is_open_again() -> None:
    """A regression is the old entry, not a new one."""
    ledger = review((), ZERO, iteration=1)
    ledger = review(ledger, iteration=2)
    ledger = review(ledger, ZERO, iteration=3)
    assert (states(ledger), ledger[0].times_raised) == (["recurring"], 2)


def test_silence_of_another_reviewer_fixes_nothing() -> None:
    """Each source answers for its own findings only."""
    ledger = review((), ZERO, iteration=1, source="review")
    ledger = review(ledger, iteration=1, source="security")
    assert states(ledger) == ["new"]


def test_two_reviewers_with_the_same_words_have_an_entry_each() -> None:
    """One mended for one reviewer stays open for the other, and the fingerprints differ."""
    ledger = review((), ZERO, iteration=1, source="a")
    ledger = review(ledger, ZERO, iteration=1, source="b")
    ledger = review(ledger, iteration=2, source="a")
    assert states(ledger) == ["fixed", "new"]
    assert len({entry.fingerprint for entry in ledger}) == 2


def test_rejected_finding_stays_rejected_until_raised_again() -> None:
    """The reviewer has the last word; the reason is gone when it insists."""
    ledger = review((), ZERO, iteration=1)
    ledger = reject(ledger, [Rejection(ledger[0].fingerprint, "The caller checks.")])
    assert (states(ledger), ledger[0].reason) == (["rejected"], "The caller checks.")
    accepted = review(ledger, iteration=2)
    assert (states(accepted), accepted[0].reason) == (["rejected"], "The caller checks.")
    insisted = review(ledger, ZERO, iteration=2)
    assert (states(insisted), insisted[0].reason) == (["recurring"], "")


def test_rejection_of_a_closed_or_unknown_finding_changes_nothing() -> None:
    """Only what is open can be rejected."""
    ledger = review(review((), ZERO, iteration=1), iteration=2)
    rejections = [Rejection(ledger[0].fingerprint, "r"), Rejection("nonsense", "r")]
    assert reject(ledger, rejections) == ledger


def test_same_claim_at_two_places_is_two_entries() -> None:
    """One of two equal complaints mended leaves the nearer one open."""
    first = Finding(Severity.MEDIUM, "No docstring", "core.py", 10)
    second = Finding(Severity.MEDIUM, "No docstring", "core.py", 90)
    ledger = review((), first, second, iteration=1)
    assert ledger[1].fingerprint == f"{ledger[0].fingerprint}-2"
    ledger = review(ledger, second, iteration=2)
    assert states(ledger) == ["fixed", "recurring"]


def test_open_entries_are_filtered_by_the_bar() -> None:
    """Fixed and minor ones do not count."""
    ledger = review((), ZERO, LEAK, iteration=1)
    assert [e.finding for e in open_at_or_above(ledger, Severity.MEDIUM)] == [ZERO]
    assert [e.finding for e in open_at_or_above(ledger, Severity.LOW)] == [ZERO, LEAK]
    assert open_at_or_above(review(ledger, iteration=2), Severity.LOW) == ()


def test_only_changed_entries_are_told() -> None:
    """The log hears of what is new or different."""
    before = review((), ZERO, LEAK, iteration=1)
    after = reject(before, [Rejection(before[1].fingerprint, "r")])
    assert changed_entries(before, after) == (after[1],)
    assert changed_entries((), after) == after
    assert after[1].state is FindingState.REJECTED
