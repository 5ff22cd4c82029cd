"""Both ends of an output are kept, whatever the chunks, within a bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.workflows.commands.verifier_output import (
    HEAD_CHARS,
    BothEnds,
    both_ends,
    plain,
)


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(2, 60))
def test_both_ends_are_those_of_the_whole(chunks: list[bytes], limit_bytes: int) -> None:
    """How the output was cut into chunks does not matter."""
    kept = BothEnds(limit_bytes)
    for chunk in chunks:
        kept.add(chunk)
    whole, half = b"".join(chunks), limit_bytes // 2
    if len(whole) <= 2 * half:
        assert kept.content() == whole
        return
    gap = f"\n[... {len(whole) - 2 * half} bytes left out ...]\n".encode()
    assert kept.content() == whole[:half] + gap + whole[-half:]


@given(st.integers(1, 30_000), st.integers(HEAD_CHARS + 100, 20_000))
def test_shortened_text_is_never_over_the_limit(length: int, limit_chars: int) -> None:
    """And says how much is missing, exactly."""
    text = "".join(chr(97 + n % 26) for n in range(length))
    short = both_ends(text, limit_chars)
    assert len(short) <= limit_chars
    if length <= limit_chars:
        assert short == text
        return
    head, rest = short.split("\n[... ")
    number, tail = rest.split(" characters left out ...]\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(number) + len(tail) == length


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain\n\ttext", "plain\n\ttext"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"50%\r100%\r\n", "50%100%\n"),
        (b"a\x00b\x08c\x7f", "abc"),
        ("é\xff".encode() + b"\xff", "éÿ\ufffd"),
        (b"\x1b", ""),
    ],
)
def test_output_becomes_plain_text(raw: bytes, expected: str) -> None:
    """Without colours, titles, links and control characters."""
    assert plain(raw) == expected
