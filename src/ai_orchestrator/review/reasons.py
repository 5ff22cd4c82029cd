"""The sentences that say why a task went on, stopped or succeeded. Used by the stop rule alone."""

from __future__ import annotations

from collections.abc import Sequence

from ai_orchestrator.model.review import Finding, LedgerEntry
from ai_orchestrator.model.states import SuccessRule
from ai_orchestrator.review.rounds import Round, StopSettings, blocking

PLACES_SHOWN = 3


def shortfall(settings: StopSettings, last: Round) -> str:
    """What is missing for success, as the part of a sentence; never empty."""
    parts = [
        *_open_part(settings, last),
        *_verifier_part(settings, last),
        *_approval_part(settings, last),
    ]
    if settings.success is SuccessRule.REVIEW_DELIVERED and not last.is_delivered:
        parts.append("no readable review was delivered")
    return " and ".join(parts) or "the conditions of success do not hold"


def rounds_done(settings: StopSettings, last: Round) -> str:
    """How far the loop came."""
    if settings.max_iterations == 1:
        return "one round"
    return f"{last.iteration} of {settings.max_iterations} rounds"


def findings(entries: Sequence[LedgerEntry]) -> str:
    """`2 findings` and where they are."""
    places = list(dict.fromkeys(place(entry.finding) for entry in entries))
    shown = ", ".join(places[:PLACES_SHOWN])
    if len(places) > PLACES_SHOWN:
        shown += f" and {len(places) - PLACES_SHOWN} more"
    return f"{counted(len(entries), 'finding')} ({shown})"


def place(finding: Finding) -> str:
    """`file:line` as far as it is known."""
    if finding.file is None:
        return "the whole change"
    return finding.file if finding.line is None else f"{finding.file}:{finding.line}"


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _open_part(settings: StopSettings, last: Round) -> list[str]:
    entries = blocking(settings, last)
    if not entries:
        return []
    bar = settings.bar
    if settings.fail_on is not None and settings.fail_on.rank < bar.rank:
        bar = settings.fail_on
    verb = "is" if len(entries) == 1 else "are"
    count, _, where = findings(entries).partition(" (")
    return [f"{count} at or above {bar} {verb} still open ({where}"]


def _verifier_part(settings: StopSettings, last: Round) -> list[str]:
    if settings.success is SuccessRule.REVIEW_DELIVERED or last.verification == "green":
        return []
    if last.verification == "none":
        return ["there is no verifier"]
    names = last.failed_verifiers
    if not names:
        return ["the verifiers have not passed on this tree"]
    verb = "fails" if len(names) == 1 else "fail"
    return [f"{counted(len(names), 'verifier')} {verb} ({', '.join(names)})"]


def _approval_part(settings: StopSettings, last: Round) -> list[str]:
    if settings.success is not SuccessRule.APPROVED_VERIFIED or last.approval is True:
        return []
    if last.approval is None:
        return ["no reviewer gave a verdict"]
    return [] if blocking(settings, last) else ["the last state is not approved"]
