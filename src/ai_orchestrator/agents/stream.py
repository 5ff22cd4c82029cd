"""The JSON-lines back end: framing, noise and decoding once for every dialect.

A dialect reads one decoded line at a time; everything that can be wrong with a line is settled
here, so that no dialect handles bytes. Used by the drivers; `text` is the other back end.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from ai_orchestrator.agents.lines import LineFramer
from ai_orchestrator.agents.usage import credible
from ai_orchestrator.base.command import Exit
from ai_orchestrator.model.agent import AgentEvent, EndSeen, Usage

T = TypeVar("T")

SUMMARY_LIMIT_CHARS = 200
NOISE_KEPT_CHARS = 400  # enough for the sentence with which a program gives up before its stream


class Dialect(ABC):
    """How one program says things. Keeps what it needs between lines."""

    @abstractmethod
    def read(self, kind: str, line: str) -> Iterable[AgentEvent]:
        """The events of a line whose `type` is `kind`. May raise `msgspec.MsgspecError`."""

    def read_stderr(self, line: str) -> Iterable[AgentEvent]:  # noqa: ARG002  for subclasses
        """The events of a line of standard error; none where it is for people only."""
        return ()

    def at_end(self, files: Mapping[str, bytes]) -> Iterable[AgentEvent]:  # noqa: ARG002  the same
        """The events still due at the end; none where the terminal event says all."""
        return ()

    @property
    def thread_usage(self) -> Usage | None:
        """See `StreamParser.thread_usage`; None where it counts per run."""
        return None


_BEYOND_USE = (msgspec.MsgspecError, RecursionError, ValueError, ArithmeticError)
"""An integer of 5000 digits cannot be printed, one of 400 is no float."""


class _Kind(msgspec.Struct, frozen=True):
    type: str


class JsonStream:
    """A `StreamParser` over a dialect. Lines that are no JSON object are skipped and counted."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._out = LineFramer()
        self._err = LineFramer()
        self._reported_drops = 0
        self.noise_lines = 0
        self.unreadable_lines = 0
        """JSON objects whose fields are not what the dialect knows."""

    def feed(self, chunk: bytes) -> list[AgentEvent]:
        """See `StreamParser.feed`."""
        events = [event for line in self._out.feed(chunk) for event in self._read(line)]
        return events + self._drops()

    def feed_stderr(self, chunk: bytes) -> list[AgentEvent]:
        """See `StreamParser.feed_stderr`."""
        return [event for line in self._err.feed(chunk) for event in self._read_stderr(line)]

    def finish(
        self,
        files: Mapping[str, bytes],
        how: Exit,  # noqa: ARG002  judged by `conclude`
    ) -> list[AgentEvent]:
        """See `StreamParser.finish`."""
        events = [event for line in self._out.finish() for event in self._read(line)]
        events += [event for line in self._err.finish() for event in self._read_stderr(line)]
        return [*events, *self._drops(), *self._taken(self._dialect.at_end(files))]

    @property
    def thread_usage(self) -> Usage | None:
        """See `StreamParser.thread_usage`."""
        return self._dialect.thread_usage

    def _read(self, line: bytes) -> list[AgentEvent]:
        text = line.decode("utf-8", "replace").strip()
        if not text.startswith("{"):
            self.noise_lines += bool(text)
            return []
        try:
            text, kind = _kind_of(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.noise_lines += 1
            return []
        return self._taken(self._dialect.read(kind, text))

    def _read_stderr(self, line: bytes) -> list[AgentEvent]:
        return self._taken(self._dialect.read_stderr(line.decode("utf-8", "replace")))

    def _taken(self, events: Iterable[AgentEvent]) -> list[AgentEvent]:
        """The events of a line, believable; none where its fields or numbers are beyond use."""
        try:
            return [credible(event) for event in events]
        except _BEYOND_USE:
            self.unreadable_lines += 1
            return []

    def _drops(self) -> list[AgentEvent]:
        if self._out.dropped == self._reported_drops:
            return []
        self._reported_drops = self._out.dropped
        return [EndSeen("protocol", "A line of more than 16 MiB was dropped from the stream.")]


def _kind_of(text: str) -> tuple[str, str]:
    """The line as strict JSON, and its `type`. Raises for anything else."""
    try:
        return text, msgspec.json.decode(text, type=_Kind).type
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Half a surrogate pair, cut by a vendor in the middle of an emoji, is JSON to Python only.
        repaired = json.dumps(json.loads(text), ensure_ascii=False)
        strict = repaired.encode("utf-8", "replace").decode()
        return strict, msgspec.json.decode(strict, type=_Kind).type


def read_as(shape: type[T], line: str) -> T:
    """The line as the struct, unknown fields ignored. Raises `msgspec.MsgspecError`."""
    return msgspec.json.decode(line, type=shape)


_TELLING = (
    "command", "cmd", "file_path", "filePath", "path", "absolute_path", "pattern", "query", "url",
    "description", "prompt",
)  # fmt: skip


def summary(arguments: Mapping[str, object]) -> str:
    """The most telling argument of a tool call, on one line, cut."""
    for name in _TELLING:
        if name in arguments:
            return cut(arguments[name])
    return cut(next(iter(arguments.values()), ""))


def cut(value: object) -> str:
    """Any value on one line, at most `SUMMARY_LIMIT_CHARS` characters."""
    if isinstance(value, list):
        value = " ".join(str(item) for item in value)
    text = " ".join(str(value).split())
    return text if len(text) <= SUMMARY_LIMIT_CHARS else text[: SUMMARY_LIMIT_CHARS - 1] + "…"
