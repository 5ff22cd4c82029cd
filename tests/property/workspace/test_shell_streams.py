"""What a standing shell says is read the same however it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.workspace.standing_shells import Marked

MARK = b"mark-mark-1"
TEXTS = st.lists(st.sampled_from([b"mark-", b"1", b"\n", b" 7\n", b"x" * 20, b"\0"])).map(b"".join)


async def cut(data: bytes, places: list[int]) -> AsyncIterator[bytes]:
    """The data in chunks that end at these places."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        if start < end:
            yield data[start:end]


@given(
    text=TEXTS.filter(lambda text: MARK not in text),
    status=st.integers(0, 255),
    places=st.lists(st.integers(0, 1000)),
    limit_bytes=st.integers(0, 200),
)
def test_any_cut_gives_the_same(
    text: bytes, status: int, places: list[int], limit_bytes: int
) -> None:
    """Text that looks like the mark's beginning included."""
    stream = Marked(cut(text + MARK + b" %d\n" % status, places), MARK, limit_bytes)
    asyncio.run(stream.read())
    assert stream.finish() == text[:limit_bytes]
    assert (stream.status, stream.is_cut) == (status, len(text) > limit_bytes)
    assert stream.is_last


@given(
    text=TEXTS.filter(lambda text: MARK not in text),
    more=st.binary(min_size=1, max_size=40),
    places=st.lists(st.integers(0, 1000)),
)
def test_what_comes_behind_a_mark_is_no_status(text: bytes, more: bytes, places: list[int]) -> None:
    """Whatever an order has left in the background says there, and however it comes."""
    stream = Marked(cut(text + MARK + b" 0" + more, places), MARK, 10_000)
    asyncio.run(stream.read())
    is_clean = more.startswith(b"\n") and stream.is_last
    assert is_clean or not stream.is_last or stream.status != 0
    assert stream.finish().startswith(text)


@given(
    text=TEXTS.filter(lambda text: MARK not in text),
    places=st.lists(st.integers(0, 1000)),
    missing=st.integers(1, len(MARK)),
)
def test_a_stream_that_ends_early_has_no_status(
    text: bytes, places: list[int], missing: int
) -> None:
    """All that came is kept, half a mark too."""
    said = text + MARK[: len(MARK) - missing]
    stream = Marked(cut(said, places), MARK, 1000)
    asyncio.run(stream.read())
    assert (stream.finish(), stream.status) == (said, None)
