"""The findings of a task over its rounds: which are new, back again, fixed or rejected. Pure.

The workflow advances the ledger after every review and every run of the verifiers. Nothing ever
leaves it, so that the end of a task can tell what became of every complaint.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ai_orchestrator.model.review import Finding, FindingState, LedgerEntry, Severity
from ai_orchestrator.review.fingerprint import SAME_CLAIM, fingerprint, similarity
from ai_orchestrator.review.verdict import Rejection

OWN_SOURCE = "verifiers"
"""Source of what the orchestrator itself found; no reviewer's approval outweighs it."""

_EXACT = 2.0  # above every similarity


def advance(
    entries: Sequence[LedgerEntry],
    raised: Sequence[Finding],
    *,
    iteration: int,
    source: str,
) -> tuple[LedgerEntry, ...]:
    """The ledger after `source` raised its findings in a round; other sources' entries stay.

    What is raised is new, or, where the ledger has it, recurring: also when it was fixed or
    rejected before. An open entry that is not raised again is fixed.
    Entries keep their order; new ones follow in the order in which they were raised. Two sources
    that say the same have an entry each, so that one's silence does not answer for the other.
    """
    ledger = list(entries)
    matches = _matches(ledger, raised, source)
    for index in _unraised(ledger, source, set(matches.values())):
        ledger[index] = msgspec.structs.replace(ledger[index], state=FindingState.FIXED)
    for position, finding in enumerate(raised):
        if position in matches:
            index = matches[position]
            ledger[index] = _raised_again(ledger[index], finding, iteration)
        else:
            ledger.append(_new(ledger, finding, iteration, source))
    return tuple(ledger)


def reject(
    entries: Sequence[LedgerEntry], rejections: Sequence[Rejection]
) -> tuple[LedgerEntry, ...]:
    """The ledger with the open entries that the implementer rejected; the first reason counts."""
    reasons = {rejection.id: rejection.reason for rejection in reversed(rejections)}
    return tuple(
        msgspec.structs.replace(
            entry, state=FindingState.REJECTED, reason=reasons[entry.fingerprint]
        )
        if entry.is_open and entry.fingerprint in reasons
        else entry
        for entry in entries
    )


def open_at_or_above(entries: Sequence[LedgerEntry], bar: Severity) -> tuple[LedgerEntry, ...]:
    """The open entries that count under the bar, in the ledger's order."""
    return tuple(
        entry for entry in entries if entry.is_open and entry.finding.severity.rank >= bar.rank
    )


def changed_entries(
    before: Sequence[LedgerEntry], after: Sequence[LedgerEntry]
) -> tuple[LedgerEntry, ...]:
    """The entries of `after` that `before` did not have like this: what the log is told."""
    known = {entry.fingerprint: entry for entry in before}
    return tuple(entry for entry in after if known.get(entry.fingerprint) != entry)


def _matches(
    ledger: Sequence[LedgerEntry], raised: Sequence[Finding], source: str
) -> dict[int, int]:
    """Position in `raised` -> index in the ledger, one to one: the best pairs first.

    Ties go to the entry nearest by line, then to the older one, so that the outcome never depends
    on chance.
    """
    pairs = [
        (-score, _distance(entry.finding, finding), index, position)
        for position, finding in enumerate(raised)
        for index, entry in enumerate(ledger)
        if entry.source == source and (score := _score(entry, finding)) >= SAME_CLAIM
    ]
    found: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, index, position in sorted(pairs):
        if position not in found and index not in taken:
            found[position] = index
            taken.add(index)
    return found


def _score(entry: LedgerEntry, finding: Finding) -> float:
    """The first wording of an entry and its latest both count as its own words."""
    name = fingerprint(finding)
    if name in (entry.fingerprint.partition("-")[0], fingerprint(entry.finding)):
        return _EXACT
    return similarity(entry.finding, finding)


def _distance(left: Finding, right: Finding) -> int:
    if left.line is None or right.line is None:
        return 0 if left.line is right.line else 1_000_000
    return abs(left.line - right.line)


def _unraised(ledger: Sequence[LedgerEntry], source: str, matched: set[int]) -> list[int]:
    return [
        index
        for index, entry in enumerate(ledger)
        if entry.source == source and entry.is_open and index not in matched
    ]


def _raised_again(entry: LedgerEntry, finding: Finding, iteration: int) -> LedgerEntry:
    is_first = entry.first_iteration == iteration and entry.state is FindingState.NEW
    return msgspec.structs.replace(
        entry,
        finding=finding,
        state=FindingState.NEW if is_first else FindingState.RECURRING,
        last_iteration=max(entry.last_iteration, iteration),
        times_raised=entry.times_raised + (iteration > entry.last_iteration),
        reason="",
    )


def _new(
    ledger: Sequence[LedgerEntry], finding: Finding, iteration: int, source: str
) -> LedgerEntry:
    return LedgerEntry(
        fingerprint=_free_fingerprint(ledger, fingerprint(finding)),
        finding=finding,
        state=FindingState.NEW,
        source=source,
        first_iteration=iteration,
        last_iteration=iteration,
    )


def _free_fingerprint(ledger: Sequence[LedgerEntry], wanted: str) -> str:
    """The same claim at two places of one file is two entries: the second ends in `-2`."""
    taken = {entry.fingerprint for entry in ledger}
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name
