"""Whether a failed run of an agent is tried again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_orchestrator.workflows.running.values import StepDone

FIRST_DELAY_S = 2.0  # a guess: longer than a hiccup, short enough for a person who watches
DOUBLINGS = 6  # of the least wait for a quota: two minutes
MAX_INTERRUPTIONS = 8
"""An attempt that takes its process down each time is poison: nine power cuts are not likely."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after so many seconds."""

    delay_s: float
    is_quota: bool = False


@dataclass(frozen=True, slots=True)
class Final:
    """The last attempt is the step's outcome."""


def after_attempts(
    failures: Sequence[StepDone], reset_s: float | None, *, retries: int, remaining_s: float
) -> Again | Final:
    """What to do after the last of `failures`, the failed attempts of one step in one round.

    A quota with a known reset is waited for, however often, while the task's time allows. What
    was overloaded is tried `retries` times more, each wait twice the last. All else is final.
    """
    last = failures[-1]
    alike = sum(1 for one in failures if one.error_kind == last.error_kind)
    if last.error_kind == "quota" and reset_s is not None:
        is_past = reset_s < FIRST_DELAY_S  # clocks differ, and what was said may be old
        delay_s = FIRST_DELAY_S * 2 ** min(alike - 1, DOUBLINGS) if is_past else reset_s
    elif last.error_kind == "overloaded" and alike <= retries:
        delay_s = FIRST_DELAY_S * 2 ** (alike - 1) if reset_s is None else max(reset_s, 0.0)
    else:
        return Final()
    if delay_s >= remaining_s:
        return Final()
    return Again(delay_s, is_quota=last.error_kind == "quota")
