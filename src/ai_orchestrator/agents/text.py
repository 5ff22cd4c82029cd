"""The text back end: whatever a program prints is what it says, its exit code is how it ended.

For programs without an event stream, by the `command` driver; `stream` is the other back end.
"""

from __future__ import annotations

from collections.abc import Mapping

from ai_orchestrator.agents.kept_text import KeptText
from ai_orchestrator.agents.lines import LineFramer
from ai_orchestrator.base.command import Exit
from ai_orchestrator.model.agent import AgentEvent, EndSeen, ErrorKind, TextSeen, Usage

LIMIT_LINE_BYTES = 2**20


class TextStream:
    """See `base.StreamParser`. Tools, usage and sessions are unknown to it."""

    def __init__(self) -> None:
        self._lines = LineFramer(LIMIT_LINE_BYTES)
        self._reported_drops = 0
        self._text = KeptText()
        self._has_spoken = False

    def feed(self, chunk: bytes) -> list[AgentEvent]:
        """One text event for each line that is complete."""
        events: list[AgentEvent] = [self._say(line + b"\n") for line in self._lines.feed(chunk)]
        return events + self._drops()

    def feed_stderr(self, chunk: bytes) -> list[AgentEvent]:  # noqa: ARG002  the port's
        """Nothing: standard error is for the log."""
        return []

    def finish(
        self,
        files: Mapping[str, bytes],  # noqa: ARG002  it names none
        how: Exit,
    ) -> list[AgentEvent]:
        """The last line, and the end as the exit code tells it; none after a signal."""
        events: list[AgentEvent] = [self._say(line) for line in self._lines.finish()]
        events += self._drops()
        if how.code is not None:
            said = "" if how.is_success else f"the command ended with exit code {how.code}"
            kind: ErrorKind | None = None if how.is_success else "agent"
            events.append(EndSeen(kind, said, final_text=self._text.text.strip()))
        return events

    @property
    def thread_usage(self) -> Usage | None:
        """None: nothing is measured."""
        return None

    def _say(self, line: bytes) -> TextSeen:
        text = line.decode("utf-8", "replace")
        self._text.add(text)
        event = TextSeen(text, is_delta=self._has_spoken)
        self._has_spoken = True
        return event

    def _drops(self) -> list[AgentEvent]:
        if self._lines.dropped == self._reported_drops:
            return []
        self._reported_drops = self._lines.dropped
        return [EndSeen("protocol", "A line of more than 1 MiB was dropped from the output.")]
