"""Figures of consumption brought to one meaning: what this run used. Pure, but for the store.

Vendors count per call, per run or over a whole conversation; the last kind is made a difference
against what the conversation had used when its last run ended, kept in its directory where no
agent can write. What a program tells is a stranger's word: a negative figure would give budget
back, one without end would stop the sum, so all figures pass `measured` and all events `credible`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from ai_orchestrator.agents.files import read_bounded, write_below
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    RetrySeen,
    SessionSeen,
    Usage,
    UsageSeen,
)

FILE_NAME = "usage.json"
LIMIT_FILE_BYTES = 64 * 1024
SESSIONS_KEPT = 50  # a conversation directory sees a handful; a bound all the same

LIMIT_COUNT = 2**53
"""Far above anything real, and exact in every program that reads our JSON."""
LIMIT_COST_USD = 10**9
DECIMALS_KEPT = 12
"""A token costs some millionths of a dollar."""
LIMIT_WAIT_S = 366 * 86_400.0
LIMIT_SESSION_CHARS = 200
_STATUS = range(100, 1000)

N = TypeVar("N", int, Decimal)


class _Stored(msgspec.Struct, frozen=True):
    v: int = 1
    sessions: dict[str, Usage] = {}


def measured(
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached_tokens: int | None = None,
    cost_usd: Decimal | None = None,
) -> Usage:
    """Figures as a program told them, made believable: see `count` and `money`."""
    return Usage(count(input_tokens), count(output_tokens), count(cached_tokens), money(cost_usd))


def count(told: int | None) -> int | None:
    """A counter between 0 and `LIMIT_COUNT`."""
    return None if told is None else min(max(told, 0), LIMIT_COUNT)


def money(told: Decimal | None) -> Decimal | None:
    """An amount of USD; unmeasured where it is no number, negative or beyond all reason."""
    if told is None or not told.is_finite() or not 0 <= told <= LIMIT_COST_USD:
        return None
    exponent = told.as_tuple().exponent
    assert isinstance(exponent, int), "it is finite"
    return told if -DECIMALS_KEPT <= exponent <= 0 else round(told, DECIMALS_KEPT)


def credible(event: AgentEvent) -> AgentEvent:
    """The event with numbers that can be added, stored and waited for.

    Raises `ValueError` for the name of a session that nobody would give one: cut it would be
    another's.
    """
    match event:
        case SessionSeen(session_id) if not 0 < len(session_id) <= LIMIT_SESSION_CHARS:
            raise ValueError("no name of a session")
        case UsageSeen(usage, turns):
            told = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cost_usd)
            return UsageSeen(measured(*told), count(turns))
        case RetrySeen(status, message, delay_s):
            known = status if status in _STATUS else None
            return RetrySeen(known, message, _wait_s(delay_s))
        case EndSeen() if event.reset_s is not None:
            return msgspec.structs.replace(event, reset_s=_wait_s(event.reset_s))
        case _:
            return event


def _wait_s(told: float | None) -> float | None:
    if told is None or not math.isfinite(told):
        return None
    return min(max(told, 0.0), LIMIT_WAIT_S)


def since(thread: Usage, earlier: Usage | None) -> Usage:
    """What a conversation used since `earlier`; all of it where there was no earlier run.

    Counters that went back have started anew (a compacted or rewritten conversation): then the
    figure itself is what was used.
    """
    if earlier is None:
        return thread
    return _fieldwise(thread, earlier, _minus, _minus)


def largest(left: Usage, right: Usage) -> Usage:
    """The larger of both, field by field; unmeasured and measured give measured."""
    return _fieldwise(left, right, _max, _max)


def load(conversation: Path, session_id: str) -> Usage | None:
    """The figures of the session at the end of its last run, None where none are stored."""
    return _read(conversation).sessions.get(session_id)


def store(conversation: Path, session_id: str, thread: Usage) -> None:
    """Keeps the session's figures for its next run."""
    kept = {k: v for k, v in _read(conversation).sessions.items() if k != session_id}
    latest = dict(list(kept.items())[-(SESSIONS_KEPT - 1) :])
    content = msgspec.json.encode(_Stored(sessions={**latest, session_id: thread}))
    write_below(conversation, Path(FILE_NAME), content)


def _read(conversation: Path) -> _Stored:
    """What is stored; a file that an older or newer release wrote otherwise counts as none."""
    content = read_bounded(conversation / FILE_NAME, LIMIT_FILE_BYTES)
    try:
        return _Stored() if content is None else msgspec.json.decode(content, type=_Stored)
    except msgspec.MsgspecError:
        return _Stored()


def _fieldwise(
    left: Usage,
    right: Usage,
    counts: Callable[[int | None, int | None], int | None],
    costs: Callable[[Decimal | None, Decimal | None], Decimal | None],
) -> Usage:
    return Usage(
        counts(left.input_tokens, right.input_tokens),
        counts(left.output_tokens, right.output_tokens),
        counts(left.cached_tokens, right.cached_tokens),
        costs(left.cost_usd, right.cost_usd),
    )


def _minus(now: N | None, before: N | None) -> N | None:
    if now is None or before is None or now < before:
        return now
    return now - before


def _max(left: N | None, right: N | None) -> N | None:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)
