"""The errors of OpenAI, the same for its two dialects."""

from __future__ import annotations

from datetime import datetime

from ai_orchestrator.scripted.decision import Refusal
from ai_orchestrator.scripted.dialects.dialect import ErrorReply, retry_after

_TYPES = {429: "requests", 500: "server_error"}
_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


def error_reply(refusal: Refusal, now: datetime) -> ErrorReply:  # noqa: ARG001 - counts in seconds
    """`refusal` as OpenAI would say it."""
    error = {
        "message": refusal.message,
        "type": _TYPES.get(refusal.status, "invalid_request_error"),
        "param": None,
        "code": _CODES.get(refusal.status),
    }
    if refusal.status != 429:
        return ErrorReply({"error": error})
    headers = {
        "retry-after": retry_after(refusal),
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": f"{refusal.reset_s:g}s",
    }
    return ErrorReply({"error": error}, headers)
