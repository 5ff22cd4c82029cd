"""The raw output of a run, kept for people: redacted as a stream, bounded. Called by the host.

A key may stand over several lines, so each stream is redacted as one text. In pieces of a message
a key is cut by JSON between them, where nothing finds it: they are left out, since the whole
message follows or stands in the task's events.

Writing is apart from reading: a program that finds its pipe full at its end may drop what it had
left to say (measured with Gemini), so nobody who reads waits for a disk. Nor is an answer lost for
it: where the file cannot be written, that is told once to the runner's own log, and the rest of
the output passes by.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import msgspec

from ai_orchestrator.agents.lines import LineFramer
from ai_orchestrator.model.ids import StepKey

log = logging.getLogger(__name__)

LIMIT_LOG_BYTES = 64 * 2**20
LIMIT_LINE_BYTES = 2**20
TAIL_BYTES = 4096
_CUT = b"[the log ends here: it reached its limit]\n"


class StreamRedaction(Protocol):
    """Takes the secrets out of one stream; holds back what may be the beginning of one."""

    def feed(self, chunk: bytes, /) -> bytes:
        """What is decided by now."""
        ...

    def finish(self) -> bytes:
        """What was held back."""
        ...


@dataclass(frozen=True, slots=True)
class LogKeeping:
    """How raw logs are kept; both may be called from any thread."""

    open: Callable[[StepKey], BinaryIO]
    """The file for a run's output."""
    new_redaction: Callable[[], StreamRedaction]
    """For one stream of a run."""


class _Event(msgspec.Struct, frozen=True):
    type: str = ""


class _Piece(msgspec.Struct, frozen=True):
    """What is told of a piece of a message by the agents that send some."""

    type: str = ""
    event: _Event = _Event()
    delta: bool = False


_PIECES = frozenset({"assistant.message_delta", "assistant.reasoning_delta"})


def is_piece(line: bytes) -> bool:
    """The line is an event that holds a piece of a message."""
    if not line.startswith(b"{") or b"delta" not in line:
        return False
    try:
        piece = msgspec.json.decode(line, type=_Piece)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    is_claude = piece.type == "stream_event" and piece.event.type == "content_block_delta"
    return is_claude or piece.type in _PIECES or (piece.type == "message" and piece.delta)


class _Channel:
    """One stream, from chunks to redacted whole lines."""

    def __init__(self, redaction: StreamRedaction) -> None:
        self._redaction = redaction
        self._raw = LineFramer(LIMIT_LINE_BYTES)
        self._clean = LineFramer(2 * LIMIT_LINE_BYTES)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are decided."""
        return self._clean.feed(self._redaction.feed(_joined(self._raw.feed(chunk))))

    def finish(self) -> list[bytes]:
        """The rest, a line that has no line feed included."""
        held = self._redaction.feed(_joined(self._raw.finish())) + self._redaction.finish()
        return [*self._clean.feed(held), *self._clean.finish()]


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines if not is_piece(line))


class RawLog:
    """One log file for both streams, in whole lines, opened with the first of them.

    `look` is called before each redaction: it may make more known that is secret. What
    writes or closes waits for the disk.
    """

    def __init__(
        self,
        open_file: Callable[[], BinaryIO],
        new_redaction: Callable[[], StreamRedaction],
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_closed = False
        self._turn = threading.Lock()  # who is cancelled closes it while a thread still writes
        self._open_file = open_file
        self._file: BinaryIO | None = None
        self._look = look
        self._out, self._err = _Channel(new_redaction()), _Channel(new_redaction())
        self._written = 0
        self._tail = b""
        self._has_failed = False

    def stdout(self, chunk: bytes) -> None:
        """Writes the lines that the chunk completes."""
        self._look()
        self._write(b"", self._out.feed(chunk))

    def stderr(self, chunk: bytes) -> None:
        """The same for standard error, marked; its end is kept for the result's message."""
        self._look()
        self._write_stderr(self._err.feed(chunk))

    def close(self) -> None:
        """Writes what came without a line feed and closes the file. Idempotent, never raises."""
        with self._turn:
            if self.is_closed:
                return
            self.is_closed = True
            self._look()
            self._write(b"", self._out.finish())
            self._write_stderr(self._err.finish())
            try:
                self._opened().close()
            except OSError as error:  # what was buffered has no room; the descriptor is closed
                self._fail(error)

    def write(self, chunks: Sequence[tuple[bool, bytes]]) -> None:
        """Writes chunks in order; each with whether it is of standard error."""
        with self._turn:
            for is_stderr, chunk in () if self.is_closed else chunks:
                (self.stderr if is_stderr else self.stdout)(chunk)

    @property
    def stderr_tail(self) -> str:
        """The last lines of standard error, redacted."""
        return self._tail.decode("utf-8", "replace")

    def _write_stderr(self, lines: list[bytes]) -> None:
        for line in lines:
            self._tail = (self._tail + line + b"\n")[-TAIL_BYTES:]
        self._write(b"! ", lines)

    def _write(self, prefix: bytes, lines: list[bytes]) -> None:
        for line in lines:
            if self._written >= LIMIT_LOG_BYTES:
                return
            content = prefix + line + b"\n"
            self._written += len(content)
            self._put(content if self._written < LIMIT_LOG_BYTES else _CUT)

    def _put(self, content: bytes) -> None:
        if self._has_failed:
            return
        try:
            self._opened().write(content)
        except OSError as error:
            self._fail(error)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._open_file()
        return self._file

    def _fail(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            name = getattr(self._file, "name", "the log")
            log.warning("%s: an agent's output is not kept from here on: %s", name, error)


LIMIT_PENDING_BYTES = 32 * 2**20
"""So much may wait for the disk; then the reader waits too."""


class LogWriter:
    """Writes to a raw log in a thread, in order, while its owner goes on reading."""

    def __init__(self, log: RawLog) -> None:
        self._log = log
        self._waiting: deque[tuple[bool, bytes]] = deque()
        self._pending_bytes = 0
        self._changed = asyncio.Condition()
        self._is_ending = False

    async def put(self, chunk: bytes, *, is_stderr: bool) -> None:
        """Takes a chunk; waits only while very much is pending."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._pending_bytes < LIMIT_PENDING_BYTES)
            self._waiting.append((is_stderr, chunk))
            self._pending_bytes += len(chunk)
            self._changed.notify_all()

    async def end(self) -> None:
        """Tells `run` that nothing follows."""
        async with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    async def run(self) -> None:
        """Writes until `end`, then closes the log."""
        is_over = False
        while not is_over:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting or self._is_ending)
                batch = list(self._waiting)
                self._waiting.clear()
                is_over = self._is_ending
            await asyncio.to_thread(self._write, batch, is_last=is_over)
            async with self._changed:
                self._pending_bytes -= sum(len(chunk) for _, chunk in batch)
                self._changed.notify_all()

    def _write(self, batch: Sequence[tuple[bool, bytes]], *, is_last: bool) -> None:
        self._log.write(batch)
        if is_last:
            self._log.close()
