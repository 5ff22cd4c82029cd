"""Figures of consumption brought to one meaning: what this run used. Pure, but for the store.

Vendors count per call, per run or over a whole conversation; the last kind is made a difference
against what the conversation had used when its last run ended, kept in its directory where no
agent can write.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from ai_orchestrator.agents.files import read_bounded, write_below
from ai_orchestrator.model.agent import Usage

FILE_NAME = "usage.json"
LIMIT_FILE_BYTES = 64 * 1024
SESSIONS_KEPT = 50  # a conversation directory sees a handful; a bound all the same

N = TypeVar("N", int, Decimal)


class _Stored(msgspec.Struct, frozen=True):
    v: int = 1
    sessions: dict[str, Usage] = {}


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
    count: Callable[[int | None, int | None], int | None],
    money: Callable[[Decimal | None, Decimal | None], Decimal | None],
) -> Usage:
    return Usage(
        count(left.input_tokens, right.input_tokens),
        count(left.output_tokens, right.output_tokens),
        count(left.cached_tokens, right.cached_tokens),
        money(left.cost_usd, right.cost_usd),
    )


def _minus(now: N | None, before: N | None) -> N | None:
    if now is None or before is None or now < before:
        return now
    return now - before


def _max(left: N | None, right: N | None) -> N | None:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)
