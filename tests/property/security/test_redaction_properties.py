"""Redaction holds for every text and every way a stream may be cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_orchestrator.security.patterns import PATTERNS
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.security.secret_forms import forms_of

# Few letters, so that values overlap, repeat and begin alike; those that keys begin with.
LETTERS = "sk-ant1 ü\n"
VALUES = st.lists(st.text(LETTERS, min_size=8, max_size=14), min_size=1, max_size=3)
KEYS = st.sampled_from(
    [
        "sk-ant-abcdefghijklmnop1",
        "sk-abcdefghijklmnopqrst1",
        "ghp_abcdefghij0123456789",
        "eyJhbGciOiJ.eyJzdWIi.c2ln-_",
        "Authorization: Bearer abcdefgh",
        '"x-api-key": "abcdefgh"',
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\nBBBB=\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\n" + "A" * 64,
    ]
)


def _redactor(values: list[str]) -> Redactor:
    redactor = Redactor()
    redactor.add("t-1", {f"N{n}": value for n, value in enumerate(values)})
    return redactor


@st.composite
def _texts(draw: st.DrawFn) -> tuple[list[str], str]:
    values = draw(VALUES)
    forms = sorted({form.decode() for value in values for form in forms_of(value)})
    part = st.one_of(st.text(LETTERS, max_size=6), KEYS, st.sampled_from(forms or [""]))
    return values, "".join(draw(st.lists(part, max_size=8)))


def _cut(draw: st.DataObject, raw: bytes) -> list[bytes]:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(_texts())
@settings(max_examples=300, deadline=None)
def test_no_value_survives(case: tuple[list[str], str]) -> None:
    """No form of any value stands in the redacted text."""
    values, text = case
    redacted = _redactor(values).redact(text).encode()
    assert not [form for value in values for form in forms_of(value) if form in redacted]


@given(_texts(), st.data())
@settings(max_examples=500, deadline=None)
def test_stream_gives_the_same_however_it_is_cut(
    case: tuple[list[str], str], data: st.DataObject
) -> None:
    """A stream of pieces is redacted like the whole text."""
    values, text = case
    redactor = _redactor(values)
    stream = redactor.new_stream()
    pieces = [stream.feed(piece) for piece in _cut(data, text.encode())]
    assert b"".join([*pieces, stream.finish()]) == redactor.redact(text).encode()


@given(_texts())
@settings(max_examples=200, deadline=None)
def test_stream_of_single_bytes_gives_the_same(case: tuple[list[str], str]) -> None:
    """The worst way to cut: every byte comes alone."""
    values, text = case
    redactor = _redactor(values)
    stream = redactor.new_stream()
    pieces = [stream.feed(bytes([byte])) for byte in text.encode()]
    assert b"".join([*pieces, stream.finish()]) == redactor.redact(text).encode()


@given(st.text(), st.lists(st.text(min_size=8, max_size=20), max_size=3))
@settings(max_examples=200, deadline=None)
def test_text_without_secrets_is_unchanged(text: str, values: list[str]) -> None:
    """Where no form of a value and no key's beginning stands, nothing is changed."""
    redactor = _redactor([value for value in values if value.isprintable()])
    raw = text.encode("utf-8", "surrogatepass")
    forms = [form for value in values for form in forms_of(value)]
    starts = [start for pattern in PATTERNS for start in pattern.starts]
    if not any(word in raw for word in (*forms, *starts)):
        assert redactor.redact(text) is text
        stream = redactor.new_stream()
        assert stream.feed_text(text) + stream.finish_text() == text
