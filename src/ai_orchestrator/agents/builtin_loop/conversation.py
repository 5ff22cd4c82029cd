"""What was said so far, in no vendor's form, and the file that keeps it for the next run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

VERSION = 1
LIMIT_CHARS = 400_000
"""About 100,000 tokens; then the oldest tool results are forgotten, which can be read again."""
FORGOTTEN = "[forgotten to save room; call the tool again if you need it]"
_SESSION_ID = re.compile(r"[0-9a-f]{32}")


class UnknownSessionError(Exception):
    """There is no conversation of that id in the state directory."""


@dataclass(frozen=True, slots=True)
class Call:
    """The model wants a tool."""

    id: str
    name: str
    arguments: dict[str, object]
    problem: str = ""
    """Why the arguments cannot be used, where they are no JSON object."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool said."""

    id: str
    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: of the user (text), of the model (text, calls) or of the tools (results)."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()


@dataclass(slots=True)
class Conversation:
    """The turns of a session, in order."""

    id: str
    turns: list[Turn] = field(default_factory=list)

    def add(self, turn: Turn) -> None:
        """Appends a turn, and forgets old results where it has become too long."""
        self.turns.append(turn)
        self.turns[:] = shortened(self.turns)


def new_conversation() -> Conversation:
    """An empty one with an id of its own."""
    return Conversation(os.urandom(16).hex())


def load(state: Path, session_id: str) -> Conversation:
    """The conversation as it was kept. Raises `UnknownSessionError`."""
    if not _SESSION_ID.fullmatch(session_id):
        raise UnknownSessionError(f"{session_id!r} is no session id of this agent")
    try:
        kept = json.loads(_file(state, session_id).read_text(encoding="utf-8"))
        turns = [_turn(raw) for raw in kept["turns"]]
    except FileNotFoundError as error:
        raise UnknownSessionError(f"no session {session_id} in {state}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnknownSessionError(f"session {session_id} in {state} is unreadable") from error
    return Conversation(session_id, turns)


def save(state: Path, conversation: Conversation) -> None:
    """Keeps the conversation (temporary file, then rename)."""
    target = _file(state, conversation.id)
    turns = [asdict(turn) for turn in conversation.turns]
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps({"v": VERSION, "turns": turns}), encoding="utf-8")
    temporary.replace(target)


def shortened(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the oldest tool results forgotten, where all are longer than the limit."""
    excess = sum(map(_chars, turns)) - LIMIT_CHARS
    kept: list[Turn] = []
    for turn in turns:
        if excess > 0 and turn.results and turn is not turns[-1]:
            gone = tuple(Result(one.id, FORGOTTEN, one.is_error) for one in turn.results)
            shorter = Turn(turn.role, results=gone)
            excess -= _chars(turn) - _chars(shorter)
            kept.append(shorter)
        else:
            kept.append(turn)
    return kept


def _chars(turn: Turn) -> int:
    calls = sum(len(str(call.arguments)) for call in turn.calls)
    return len(turn.text) + calls + sum(len(result.text) for result in turn.results)


def _file(state: Path, session_id: str) -> Path:
    return state / f"session-{session_id}.json"


def _turn(raw: dict[str, object]) -> Turn:
    calls, results = raw["calls"], raw["results"]
    assert isinstance(calls, list)
    assert isinstance(results, list)
    return Turn(
        role=str(raw["role"]),
        text=str(raw["text"]),
        calls=tuple(Call(**call) for call in calls),
        results=tuple(Result(**result) for result in results),
    )
