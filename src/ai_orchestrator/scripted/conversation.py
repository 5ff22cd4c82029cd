"""A request for a model's reply, the same for all four dialects.

The dialects read their own JSON into a `ModelRequest`; everything that decides works on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.scripted.scenario import DialectName


class MalformedRequestError(BadInputError):
    """A client sent what its own dialect does not allow."""

    code = "malformed-request"
    http_status = 400


class TurnKind(StrEnum):
    """Who speaks in a turn of the history."""

    USER = "user"
    MODEL = "model"
    TOOL_CALL = "tool-call"
    TOOL_RESULT = "tool-result"


class Turn(msgspec.Struct, frozen=True):
    """One piece of the history. `text` is empty for tool calls and results."""

    kind: TurnKind
    text: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A tool that the client offers."""

    name: str
    schema: Mapping[str, object] = msgspec.field(default_factory=dict)
    """JSON schema of its arguments; empty for a freeform tool."""
    is_freeform: bool = False
    """It takes one text instead of JSON arguments."""

    def has_argument(self, name: str) -> bool:
        """The schema lists an argument of that name."""
        properties = self.schema.get("properties")
        return isinstance(properties, Mapping) and name in properties


class ModelRequest(msgspec.Struct, frozen=True):
    """What a client asks of the model."""

    dialect: DialectName
    model: str
    turns: tuple[Turn, ...]
    system: str = ""
    """Everything said in the system's or developer's name."""
    tools: tuple[Tool, ...] = ()
    is_stream: bool = False
    wants_stream_usage: bool = True
    """Chat Completions sends the usage of a stream only to clients that ask for it."""
    reply_schema: Mapping[str, object] | None = None
    """The reply has to be JSON of this schema."""
    limit_tokens: int | None = None
    session: str = ""
    """The client's own name for the agent session, from the body; empty when it gives none."""

    @property
    def user_texts(self) -> tuple[str, ...]:
        """All texts of the user, oldest first."""
        return tuple(turn.text for turn in self.turns if turn.kind is TurnKind.USER)


def digest(*parts: str) -> str:
    """A short stable name for `parts`: 20 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:20]
