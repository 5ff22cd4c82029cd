"""The one place that redacts and cuts what is about to be stored; every writer goes through it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from ai_orchestrator.base.errors import InternalError
from ai_orchestrator.model.events import EVENT_LIMIT_BYTES, EventData, encode_data
from ai_orchestrator.model.texts import free_texts, map_texts
from ai_orchestrator.store.artefacts import digest_of
from ai_orchestrator.store.texts import storable

T = TypeVar("T")

LEAST_CUT_CHARS = 256
"""Texts up to this length are never cut: a guess at what still is a name or a sentence."""


class TextRedactor(Protocol):
    """Knows the secrets of the tasks that run here."""

    def redact(self, text: str) -> str:
        """The text with every secret replaced."""
        ...


@dataclass(frozen=True, slots=True)
class Fitted:
    """Data of an event as it is stored, and what had to be taken out of it."""

    raw: bytes
    wholes: tuple[bytes, ...] = ()
    """Texts that were cut, whole; to be kept as artefacts."""


class Sink:
    """Makes values fit to be stored."""

    def __init__(self, redactor: TextRedactor) -> None:
        self._redactor = redactor

    def clean(self, text: str) -> str:
        """The text redacted, without characters that a database refuses."""
        return storable(self._redactor.redact(text))

    def clean_struct(self, value: T) -> T:
        """The value with every free text in it cleaned."""
        return map_texts(value, self.clean)

    def fit(self, data: EventData) -> Fitted:
        """The data cleaned and at most `EVENT_LIMIT_BYTES` long; the longest texts are cut first.

        Raises `InternalError` for data that is too long without any long text.
        """
        cleaned = self.clean_struct(data)
        raw = encode_data(cleaned)
        wholes: list[bytes] = []
        while len(raw) > EVENT_LIMIT_BYTES:
            longest = max(free_texts(cleaned), key=len, default="")
            if len(longest) <= LEAST_CUT_CHARS:
                raise InternalError(
                    f"event {data.type}: {len(raw)} bytes in texts too short to cut; "
                    f"the limit is {EVENT_LIMIT_BYTES}."
                )
            whole = longest.encode()
            short = _cut(longest, whole, len(raw) - EVENT_LIMIT_BYTES)
            cleaned = map_texts(cleaned, partial(_replace, longest, short))
            raw = encode_data(cleaned)
            wholes.append(whole)
        return Fitted(raw, tuple(wholes))


def _replace(before: str, after: str, text: str) -> str:
    return after if text == before else text


def _cut(text: str, whole: bytes, excess_bytes: int) -> str:
    """The beginning of a text, with a marker that names the artefact, shorter by the excess."""
    marker = f"… [cut: {len(whole)} bytes in all, artefact {digest_of(whole)}]"
    room = _json_bytes(text) - excess_bytes - _json_bytes(marker)
    kept = text[: max(0, room)]
    while kept and _json_bytes(kept) > room:
        kept = kept[: len(kept) * room // _json_bytes(kept)]
    return kept + marker


def _json_bytes(text: str) -> int:
    return len(msgspec.json.encode(text))
