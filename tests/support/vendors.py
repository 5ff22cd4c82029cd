"""Stand-ins for vendors' programs: shell scripts that speak a vendor's stream.

What they print has the shape of `tests/data/recordings/claude`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

USED_TOKENS = 110
"""Of each run that has spoken."""
_USAGE = {"input_tokens": 100, "output_tokens": 10}
_RESULT = {"type": "result", "subtype": "success", "num_turns": 1, "usage": _USAGE}


def claude_agent(directory: Path, script: str, **more: Any) -> dict[str, Any]:
    """An agent of driver claude that runs the script.

    It may ask `$is_resumed`, `$session` and `$prompt`, and ends by `end TEXT`, by `failed TEXT`,
    by `refused STATUS`, or by `limited_for SECONDS` and then `refused 429`.
    """
    program = directory / "claude"
    program.write_text(f"#!/bin/sh\n{_HEAD}{script}\n")
    program.chmod(0o755)
    return {"driver": "claude", "command": [str(program)], "role": "implementation", **more}


def _say(event: dict[str, Any]) -> str:
    """Prints the event on a line; what looks like a variable in it is one. `%1` is the number."""
    line = json.dumps(event).replace('"%1"', "$1")
    return f"cat <<END\n{line}\nEND\n"


def _function(name: str, body: str) -> str:
    return f"{name}() {{\n{body}\n}}\n"


_HEAD = "".join(
    [
        "session=session-$$; is_resumed=\n",
        'for argument in "$@"; do case "$argument" in\n',
        "  --resume=*) session=${argument#--resume=}; is_resumed=1;;\n",
        "esac; done\n",
        "prompt=$(cat)\n",
        _say({"type": "system", "subtype": "init", "session_id": "$session", "model": "m-1"}),
        _say(
            {
                "type": "assistant",
                "message": {
                    "id": "m1",
                    "content": [{"type": "text", "text": "at work"}],
                    "usage": _USAGE,
                },
            }
        ),
        _function(
            "end",
            _say(
                {
                    **_RESULT,
                    "is_error": False,
                    "result": "$1",
                    "total_cost_usd": 0.01,
                    "session_id": "$session",
                }
            ),
        ),
        _function(
            "failed",
            _say({**_RESULT, "is_error": True, "result": "$1", "session_id": "$session"})
            + "exit 1",
        ),
        _function(
            "refused",
            _say(
                {
                    **_RESULT,
                    "is_error": True,
                    "result": "refused",
                    "terminal_reason": "api_error",
                    "api_error_status": "%1",
                    "session_id": "$session",
                }
            )
            + "exit 1",
        ),
        _function(
            "limited_for",
            "set -- $(($(date +%s) + $1))\n"
            + _say(
                {
                    "type": "rate_limit_event",
                    "rate_limit_info": {"status": "rejected", "resetsAt": "%1"},
                }
            ),
        ),
    ]
)
