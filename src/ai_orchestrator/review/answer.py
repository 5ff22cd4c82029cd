"""JSON objects in an agent's prose: where they are, and where one was meant but is broken.

Agents wrap the object that was asked for in prose, in fences, or in neither, and quote other
objects before it. `verdict.py` asks here for the last object with a certain key. Fences are not
needed for that: objects are found by decoding, so that a fence inside a string misleads nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from ai_orchestrator.base.errors import shorten

TAIL_CHARS = 1_000_000
"""Only so much of the end of an answer is read; a guess, far above any answer seen."""
WORK_CHARS = 5_000_000
"""Bound on characters decoded in one answer: broken nesting would cost the square of its length."""

_OPENING = re.compile(r'\{\s*(?:"|\})')
_NEXT_BLOCK = re.compile(r"^ {0,3}(?:```|~~~|\{)", re.MULTILINE)

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class Broken:
    """Text that begins like the object wanted but is not JSON. `why` is for the agent."""

    why: str


@dataclass(frozen=True, slots=True)
class Absent:
    """No such object in the text."""


class _DuplicateKeyError(ValueError):
    """An object says the same key twice, so what it means is anybody's guess."""


def last_object(text: str, keys: Sequence[str]) -> JsonObject | Broken | Absent:
    """The last object in the text that has one of the keys at its top level.

    A broken one after it wins: an answer that cannot be read must not be replaced by an example
    that was quoted before it.
    """
    found: JsonObject | Broken | Absent = Absent()
    for piece in _pieces(text[-TAIL_CHARS:], keys):
        if isinstance(piece, Broken) or any(key in piece for key in keys):
            found = piece
    return found


def _pieces(text: str, keys: Sequence[str]) -> Iterator[JsonObject | Broken]:
    """Objects from left to right, none from inside another; attempts at one with a key, broken."""
    wanted = re.compile(r'\{\s*"(?:' + "|".join(map(re.escape, keys)) + r')"\s*:')
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates)
    position, work = 0, 0
    while (opening := _OPENING.search(text, position)) is not None:
        start = opening.start()
        try:
            value, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            work += _decoded_chars(error, start, len(text))
            is_attempt = wanted.match(text, start) is not None
            if is_attempt or work > WORK_CHARS:
                yield Broken(_why(error))
            if work > WORK_CHARS:
                return
            position = _next_block(text, start + 1) if is_attempt else start + 1
            continue
        if is_object(value):
            yield value


def is_object(value: object) -> TypeGuard[JsonObject]:
    """A decoded JSON object."""
    return isinstance(value, dict)


def _without_duplicates(pairs: list[tuple[str, object]]) -> JsonObject:
    result: JsonObject = {}
    for name, value in pairs:
        if name in result:
            raise _DuplicateKeyError(f"the key {shorten(name)!r} stands twice in one object")
        result[name] = value
    return result


def _next_block(text: str, position: int) -> int:
    """Where text that is not part of a broken object may begin again.

    Quotes that were not escaped make the rest of the paragraph look like objects of its own.
    """
    match = _NEXT_BLOCK.search(text, position)
    return len(text) if match is None else match.start()


def _decoded_chars(error: Exception, start: int, end: int) -> int:
    reached = error.pos if isinstance(error, json.JSONDecodeError) else end
    return max(1, reached - start)


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        near = error.doc[max(0, error.pos - 20) : error.pos + 20]
        return f"the JSON is not valid: {error.msg} near {' '.join(near.split())!r}"
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    return str(error)
