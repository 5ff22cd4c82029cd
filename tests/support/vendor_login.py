"""A stand-in for Claude Code with its login: a shell script that speaks its stream.

What a run prints is a recording of the real program.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).resolve().parents[1] / "data" / "recordings" / "claude" / "plain.out"
LOGIN_FILE = ".credentials.json"

_SCRIPT = r"""#!/bin/sh
state=$CLAUDE_CONFIG_DIR
write_token() {  # as the vendor does: beside it, then by rename
  printf '{"claudeAiOauth": {"accessToken": "%s"}}' "$1" > "$state/new"
  mv "$state/new" "$state/.credentials.json"
}
case "$1" in
--version) echo "2.1.330 (Claude Code)"; exit 0;;
auth)
  shift 2
  LOGIN
  exit 0;;
esac
prompt=$(cat)
RUN
cat <<'END'
STREAM
END
"""


def claude_program(directory: Path, *, login: str = "", run: str = "") -> Path:
    """The program; `login` and `run` are shell, with `$state` and `write_token TOKEN`.

    `login` sees the further arguments as its own, `run` has `$prompt`.
    """
    program = directory / "claude"
    program.parent.mkdir(parents=True, exist_ok=True)
    stream = RECORDING.read_text("utf-8").rstrip("\n")
    parts = {"LOGIN": login or ":", "RUN": run or ":", "STREAM": stream}
    text = _SCRIPT
    for name, part in parts.items():
        text = text.replace(f"\n{name}\n", f"\n{part}\n").replace(f"\n  {name}\n", f"\n{part}\n")
    program.write_text(text)
    program.chmod(0o755)
    return program


def claude_agent(program: Path, **more: Any) -> dict[str, Any]:
    """The entry of the configuration."""
    return {"driver": "claude", "command": [str(program)], "role": "implementation", **more}


def log_in(accounts: Path, name: str, token: str) -> Path:
    """The directory of an account to which somebody logged in."""
    state = accounts / name
    state.mkdir(parents=True)
    content = json.dumps({"claudeAiOauth": {"accessToken": token}})
    (state / LOGIN_FILE).write_text(content)
    return state


def quoted(path: Path) -> str:
    """The path as a word of the shell."""
    return shlex.quote(str(path))
