"""What an address of the server is for."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import unquote, urlsplit

import msgspec

from ai_orchestrator.scripted.dialects.dialect import Route
from ai_orchestrator.scripted.scenario import DialectName


class Purpose(StrEnum):
    """What a client wants."""

    REPLY = "reply"
    COUNT = "count"
    MODELS = "models"
    UNKNOWN = "unknown"


class Address(msgspec.Struct, frozen=True):
    """A purpose, and whose dialect the answer has to be in."""

    purpose: Purpose
    dialect: DialectName
    route: Route = Route()


_FIXED = {
    ("POST", "/v1/messages"): Address(Purpose.REPLY, DialectName.ANTHROPIC),
    ("POST", "/v1/messages/count_tokens"): Address(Purpose.COUNT, DialectName.ANTHROPIC),
    ("POST", "/v1/responses"): Address(Purpose.REPLY, DialectName.RESPONSES),
    ("POST", "/v1/chat/completions"): Address(Purpose.REPLY, DialectName.CHAT),
    ("GET", "/v1/models"): Address(Purpose.MODELS, DialectName.CHAT),
}
_GEMINI = re.compile(
    r"/v1beta/models/(?P<model>[^/:]+):"
    r"(?P<method>generateContent|streamGenerateContent|countTokens)"
)


def resolve(method: str, target: str) -> Address:
    """What `target` (path and query) is for.

    An unknown one is answered in the dialect of the vendor that it looks like.
    """
    path = urlsplit(target).path
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return fixed
    gemini = _GEMINI.fullmatch(path)
    if gemini is not None and method == "POST":
        is_stream = gemini["method"] == "streamGenerateContent"
        purpose = Purpose.COUNT if gemini["method"] == "countTokens" else Purpose.REPLY
        return Address(purpose, DialectName.GEMINI, Route(unquote(gemini["model"]), is_stream))
    return Address(Purpose.UNKNOWN, _likeliest(path))


def _likeliest(path: str) -> DialectName:
    if path.startswith(("/v1beta", "/v1alpha")):
        return DialectName.GEMINI
    if path.startswith(("/v1/messages", "/api/")):  # Claude Code calls /api/hello
        return DialectName.ANTHROPIC
    return DialectName.CHAT
