"""The record of what was asked and answered: one JSON object per line and request.

Written by `server`, read back by tests. Header values are kept only for a few harmless headers, so
no key can get into it; the same for the parameters of an address.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.scripted.decision import Decision, Place
from ai_orchestrator.scripted.prompt import FreeMarker, StepMarker
from ai_orchestrator.scripted.scenario import Usage

LIMIT_PROMPT_CHARS = 20_000
HIDDEN = "(hidden)"

SESSION_HEADERS = frozenset({"x-claude-code-session-id", "session_id", "session-id"})
"""Headers in which agents name their session: Claude Code and Codex."""

_SHOWN_HEADERS = SESSION_HEADERS | {
    "accept",
    "anthropic-beta",
    "anthropic-version",
    "content-length",
    "content-type",
    "host",
    "originator",
    "user-agent",
}
_SHOWN_PARAMETERS = frozenset({"alt", "beta"})


class LoggedRequest(msgspec.Struct, frozen=True):
    """One request and what it was answered with."""

    time: datetime
    method: str
    path: str
    """With its query; the values of unknown parameters are hidden."""
    headers: dict[str, str]
    """Names in lower case; the values of unknown headers are hidden."""
    dialect: str | None = None
    """None where the address belongs to none, or to all."""
    model: str = ""
    conversation: str = ""
    """The same for all requests of one agent session."""
    step: StepMarker | None = None
    marker: FreeMarker | None = None
    place: Place | None = None
    """The action in the scenario; None when the answer comes from no rule."""
    decision: Decision | None = None
    """None for requests that are not for a reply: token counts, models, unknown addresses."""
    usage: Usage | None = None
    """The tokens that were reported; None where none were."""
    prompt: str = ""
    """The user's text that selected the answer, cut at 20,000 characters."""
    turns: int = 0
    tools: tuple[str, ...] = ()
    is_stream: bool = False


class RequestLog:
    """A file that grows by one line per request. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise EnvironmentProblemError(
                f"{self._path}: the request log cannot be opened: {error.strerror}."
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def write(self, entry: LoggedRequest) -> None:
        """Appends in one write, so that a reader never sees half a line of two writers."""
        os.write(self._descriptor, msgspec.json.encode(entry) + b"\n")


def read_log(path: Path) -> list[LoggedRequest]:
    """All requests in the log, oldest first; a last line without its end is left out.

    Raises `BadInputError` with the line's number for one that is not of this log.
    """
    *lines, _unfinished = path.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(msgspec.json.decode(line, type=LoggedRequest))
        except msgspec.DecodeError as error:
            raise BadInputError(f"{path}:{number}: not a logged request: {error}.") from error
    return entries


def shown_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every header's name, and the value of those that hold no secret."""
    return {name: value if name in _SHOWN_HEADERS else HIDDEN for name, value in headers}


def shown_target(target: str) -> str:
    """The address of a request with the values of unknown parameters hidden: Gemini's `key=`."""
    parts = urlsplit(target)
    if not parts.query:
        return parts.path
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    shown = [(name, value if name in _SHOWN_PARAMETERS else HIDDEN) for name, value in parameters]
    return f"{parts.path}?{urlencode(shown, safe='()')}"
