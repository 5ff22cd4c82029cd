"""What the built-in agent says: one JSON object a line on standard output.

The dialect (read by `agents/builtin_stream.py`, documented in docs/reference/agents.md):

    {"type": "session", "session_id": "...", "model": "...", "version": "1"}
    {"type": "text", "text": "..."}                             a message of the model
    {"type": "tool", "id": "...", "name": "read", "phase": "start", "summary": "a.py"}
    {"type": "tool", "id": "...", "name": "read", "phase": "ok" | "error"}
    {"type": "usage", "turns": 2, "input_tokens": 200, "output_tokens": 40, "cached_tokens": 0}
    {"type": "retry", "status": 429, "message": "...", "delay_s": 2.0}
    {"type": "end", "error_kind": null, "message": "", "text": "...", "reset_s": null}

`usage` counts over this run. `end` comes last, exactly once; `error_kind` is null for success, else
one of auth, quota, overloaded, limit, agent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

VERSION = "1"
SUMMARY_CHARS = 200

Json = str | int | float | bool | None


def say(kind: str, **fields: Json) -> None:
    """Prints one event at once."""
    sys.stdout.write(json.dumps({"type": kind, **fields}, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def summary(arguments: Mapping[str, object]) -> str:
    """The most telling argument of a tool call."""
    for name in ("command", "path", "pattern"):
        if name in arguments:
            return " ".join(str(arguments[name]).split())[:SUMMARY_CHARS]
    return ""
