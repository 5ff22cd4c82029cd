"""Watches a verifier to its end and keeps both ends of what it printed. For `verify.py`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ai_orchestrator.base.errors import shorten
from ai_orchestrator.base.process import Exit, Process, watch

KEPT_BYTES = 8 * 2**20
"""Of the whole output so much is kept, half from each end; a guess, far above any honest run."""
HEAD_CHARS = 1_500
"""Of a shortened output so much is its beginning: there stands what was run on what."""
_COMPLAINT_BYTES = 4_000

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a verifier ended."""

    exit: Exit
    is_timed_out: bool
    output: bytes
    complaint: str
    """What came on standard error, on one line and shortened."""


async def watch_verifier(process: Process, timeout_s: float) -> Ended:
    """The end of the process and both ends of its output; stopped when its time is over.

    When the caller is cancelled the whole tree is stopped before the cancellation goes on.
    """
    output, complaint = BothEnds(KEPT_BYTES), BothEnds(_COMPLAINT_BYTES)
    readers = [output.read(process.stdout()), complaint.read(process.stderr())]
    watched = await watch(process, readers, timeout_s=timeout_s)
    said = complaint.content().decode("utf-8", "replace")
    return Ended(watched.exit, watched.is_timed_out, output.content(), shorten(said).rstrip("."))


class BothEnds:
    """A stream of which the beginning and the end are kept, half of the limit each."""

    def __init__(self, limit_bytes: int) -> None:
        self._half = limit_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped_bytes = 0

    async def read(self, chunks: AsyncIterator[bytes]) -> None:
        """Reads to the end of file, so that the program never waits for us."""
        async for chunk in chunks:
            self.add(chunk)

    def add(self, chunk: bytes) -> None:
        """Takes a chunk; beside it never more than 1.5 times the limit is in memory."""
        room = self._half - len(self._head)
        self._head += chunk[: max(0, room)]
        self._tail += chunk[max(0, room) :]
        if len(self._tail) > 2 * self._half:
            self._shorten_tail()

    def content(self) -> bytes:
        """Both ends; where something was left out between them, a line says how much."""
        self._shorten_tail()
        gap = f"\n[... {self._dropped_bytes} bytes left out ...]\n".encode()
        return bytes(self._head + (gap if self._dropped_bytes else b"") + self._tail)

    def _shorten_tail(self) -> None:
        excess = max(0, len(self._tail) - self._half)
        del self._tail[:excess]
        self._dropped_bytes += excess


def plain(output: bytes) -> str:
    """Output as text without colours, cursor movements and other control characters."""
    text = output.decode("utf-8", "replace").replace("\r\n", "\n")
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def both_ends(text: str, limit_chars: int) -> str:
    """The text, or its beginning and, longer, its end, with a line between; never over the limit.

    `limit_chars` has to be above `HEAD_CHARS`.
    """
    if len(text) <= limit_chars:
        return text
    mark = "\n[... {} characters left out ...]\n"
    tail_chars = limit_chars - HEAD_CHARS - len(mark) - 10  # digits of any number of characters
    left_out = len(text) - HEAD_CHARS - tail_chars
    return text[:HEAD_CHARS] + mark.format(left_out) + text[-tail_chars:]
