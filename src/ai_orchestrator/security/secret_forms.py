"""The shapes in which a secret value may turn up in a text. Pure; used by `redaction`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

LEAST_CHARS = 8
"""Shorter values are not looked for: they would turn up in innocent text."""
LEAST_LINE_CHARS = 16
"""Shorter lines of a value of several lines are not looked for by themselves."""


def forms_of(value: str) -> frozenset[bytes]:
    """The value as it is and as programs encode it; empty for a value that is too short.

    Encodings: base64 (both alphabets, also within a longer text), URL, JSON once and twice, hex;
    for values of several lines also each line.
    """
    value = value.strip()  # a value from a file ends with a line feed that a text does not repeat
    if len(value) < LEAST_CHARS:
        return frozenset()
    raw = value.encode("utf-8", "surrogatepass")
    forms = {raw, *_url_forms(raw), *_json_forms(value), *_base64_forms(raw)}
    forms |= {raw.hex().encode(), raw.hex().upper().encode(), *_lines(value)}
    return frozenset(form for form in forms if len(form) >= LEAST_CHARS)


def _url_forms(raw: bytes) -> Iterator[bytes]:
    for text in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield text.encode()
        yield _lower_escapes(text).encode()


def _lower_escapes(text: str) -> str:
    head, *parts = text.split("%")
    return head + "".join("%" + part[:2].lower() + part[2:] for part in parts)


def _json_forms(value: str) -> Iterator[bytes]:
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        for text in (
            once,
            once.replace("/", "\\/"),
            json.dumps(once, ensure_ascii=ascii_only)[1:-1],
        ):
            yield text.encode("utf-8", "surrogatepass")


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """What every base64 text has in common that encodes the value, wherever in it the value is.

    Three alignments; the characters at the edges, that depend on the neighbours, are left out.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        yield encoded[first:last]
        yield encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def _lines(value: str) -> Iterator[bytes]:
    lines = value.splitlines()
    if len(lines) > 1:
        for line in lines:
            text = line.strip()
            if len(text) >= LEAST_LINE_CHARS and not text.startswith("-----"):
                yield text.encode("utf-8", "surrogatepass")
