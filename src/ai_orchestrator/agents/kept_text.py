"""The end of a text that comes in pieces, for whoever keeps what an agent said last.

A million pieces cost as much as their letters, whatever is kept: joining at each piece would cost
the square of it, in the event loop. Used by the tally and by dialects whose end does not repeat
the answer.
"""

from __future__ import annotations

LIMIT_TEXT_CHARS = 2**20
"""Of an agent's text the end is kept: answers stand there."""


class KeptText:
    """The last `limit_chars` characters of what was added."""

    def __init__(self, limit_chars: int = LIMIT_TEXT_CHARS) -> None:
        self._limit_chars = limit_chars
        self._parts: list[str] = []
        self._chars = 0

    def add(self, text: str) -> None:
        """Something more was said."""
        if not text:
            return
        self._parts.append(text)
        self._chars += len(text)
        if self._chars > 2 * self._limit_chars:
            self._parts = [self.text]
            self._chars = len(self._parts[0])

    def restart(self, text: str = "") -> None:
        """What was said is forgotten for this."""
        self._parts, self._chars = [], 0
        self.add(text)

    @property
    def text(self) -> str:
        """What is kept."""
        return "".join(self._parts)[-self._limit_chars :]
