"""Lines out of chunks: the border between a child's bytes and a parser.

Chunks are not lines, lines may be garbage or endless, and UTF-8 may be broken. Called by `stream`
and by the raw log.
"""

from __future__ import annotations

LIMIT_LINE_BYTES = 16 * 2**20
"""A guess: several times the largest tool result that a vendor lets through."""


class LineFramer:
    """Whole lines of a stream; one longer than the limit is dropped and counted."""

    def __init__(self, limit_bytes: int = LIMIT_LINE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._is_dropping = False
        self.dropped = 0
        """Lines dropped so far, the one under way included."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes, without their line feed."""
        *complete, rest = chunk.split(b"\n")
        lines = [line for part in complete if (line := self._end_line(part)) is not None]
        self._keep(rest)
        return lines

    def finish(self) -> list[bytes]:
        """The last line where the stream ended without a line feed."""
        line = self._end_line(b"")
        return [line] if line else []

    def _end_line(self, part: bytes) -> bytes | None:
        self._keep(part)
        line = None if self._is_dropping else b"".join(self._parts)
        self._parts, self._size, self._is_dropping = [], 0, False
        return line

    def _keep(self, part: bytes) -> None:
        if self._is_dropping or not part:
            return
        self._size += len(part)
        if self._size > self._limit_bytes:
            self._parts, self._is_dropping = [], True
            self.dropped += 1
            return
        self._parts.append(part)
