"""What a prompt tells the scripted model: step, markers, working directory, conversation.

Called by `decision` and `server`. Reads only the request: two equal requests read the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from ai_orchestrator.scripted.conversation import ModelRequest, TurnKind, digest


class StepMarker(msgspec.Struct, frozen=True):
    """The line `Step: PATH (iteration N)` of a prompt."""

    path: str
    iteration: int

    @property
    def names(self) -> tuple[str, str]:
        """What rules may call it: the last component, with and without the `.2` of a repeat."""
        last = self.path.rsplit("/", 1)[-1]
        return last, _REPEAT.sub("", last)


class FreeMarker(msgspec.Struct, frozen=True):
    """A marker like `[[write:PATH]]` in a prompt."""

    name: str
    argument: str


class Selection(msgspec.Struct, frozen=True):
    """The prompt that says what to play, and how far the play has come."""

    prompt: str
    """The last text of the user with a marker; without any, the last text of the user."""
    step: StepMarker | None
    marker: FreeMarker | None
    results: int
    """Tool results after `prompt`."""


_STEP = re.compile(
    r"^Step: (?P<path>[a-z0-9./-]+) \(iteration (?P<iteration>[0-9]{1,9})\)", re.MULTILINE
)
_REPEAT = re.compile(r"\.[0-9]+$")
_FREE = re.compile(r"\[\[(plain|write|bash|loop|err|hang|cut)(?::([^\n]*?))?\]\]")
_OWN_DIRECTORY = re.compile(r"^Working directory: (/[^\r\n]*)", re.MULTILINE)
# What agents tell the model about themselves: Claude Code and Copilot in a line of the system
# prompt, Codex in its environment context, Gemini CLI as the first item of a list.
_VENDOR_DIRECTORY = re.compile(
    r"(?:working directory: |<cwd>|workspace directories:\**\s+- )(/[^\r\n<]*)", re.IGNORECASE
)


def select(request: ModelRequest) -> Selection:
    """What the request's history asks for."""
    results = 0
    for turn in reversed(request.turns):
        if turn.kind is TurnKind.TOOL_RESULT:
            results += 1
        if turn.kind is TurnKind.USER and _is_marked(turn.text):
            return Selection(turn.text, _step(turn.text), _marker(turn.text), results)
    texts = request.user_texts
    return Selection(texts[-1] if texts else "", None, None, results)


def working_directory(request: ModelRequest, prompt: str, default: str) -> str:
    """The absolute directory that relative paths start from.

    The orchestrator's prompt names it; else what the agent tells the model about itself; else
    `default`.
    """
    own = _OWN_DIRECTORY.findall(prompt)
    if own:
        return str(own[-1]).strip()
    for text in (*reversed(request.user_texts), request.system):
        told = _VENDOR_DIRECTORY.findall(text)
        if told:
            return str(told[-1]).strip()
    return default


def conversation_id(request: ModelRequest, session_headers: Collection[str]) -> str:
    """The same for all requests of one agent session.

    The client's own session ids where it sends any; else the first prompt is what identifies it.
    """
    if session_headers or request.session:
        return digest(*sorted(session_headers), request.session)
    texts = request.user_texts
    first = next(filter(_is_marked, texts), texts[0] if texts else "")
    return digest(first)


def _is_marked(text: str) -> bool:
    return _STEP.search(text) is not None or _FREE.search(text) is not None


def _step(text: str) -> StepMarker | None:
    found = list(_STEP.finditer(text))
    return StepMarker(found[-1]["path"], int(found[-1]["iteration"])) if found else None


def _marker(text: str) -> FreeMarker | None:
    found = list(_FREE.finditer(text))
    return FreeMarker(found[-1][1], found[-1][2] or "") if found else None
