"""A person's machine for documented commands: a home, a repository, agents, a model endpoint.

The agents are stand-ins of one line of shell under the names that the pages use: `claude` writes,
`codex` reviews. Everything else is real: the program, git, the runner, the sandbox.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.repository import make_repository
from tests.support.server import processes_naming, wait_for

from ai_orchestrator.base.errors import UnreachableError
from ai_orchestrator.base.lockfile import is_held
from ai_orchestrator.client.backend import HttpBackend
from ai_orchestrator.client.transport import UnixTransport

BLOCK_LIMIT_S = 100.0
SCENARIO = Path(__file__).with_name("model.yaml")
MODEL_URL = "http://127.0.0.1:11434"
"""Where pages say that a model is; the scripted one stands in for it."""
SHOWN_HOME = "/home/you"

_WRITER = 'prompt=$(cat); echo "$prompt" | tail -n 1 >> NOTES.md; echo I wrote NOTES.md.'
_REVIEWER = """prompt=$(cat); case $prompt in
*risky*) echo '{"verdict": "request_changes", "findings": [{"severity": "high",
"file": "tests/test_it.py", "line": 6, "claim": "This test proves nothing."}]}' ;;
*) echo '{"verdict": "approve", "findings": []}' ;;
esac"""
_CONFIGURATION = f"""agents:
  claude:
    enabled: true
    driver: command
    role: implementation
    command: [sh, -c, {_WRITER!r}]
  codex:
    enabled: true
    driver: command
    role: review
    command:
      - sh
      - -c
      - |
        {_REVIEWER.replace(chr(10), chr(10) + " " * 8)}
"""
_PROGRAM = """#!/bin/bash
# The program; TASK stands for the newest task, as in the pages.
program=({python} -m ai_orchestrator.cli)
words=()
where=()
[[ $1 != --data-dir ]] || where=("$1" "$2")
newest() {{ "${{program[@]}}" "${{where[@]}}" tasks list --limit 1 --json; }}
for word in "$@"; do
  [[ $word != TASK ]] || word=$(newest | grep -o '"t-[0-9a-z]*"' | tr -d '"')
  words+=("$word")
done
exec "${{program[@]}}" "${{words[@]}}"
"""
_SESSION = """[[ -e {state}/variables ]] && source {state}/variables
cd "$(cat {state}/directory)"
trap 'export -p > {state}/variables; pwd > {state}/directory' EXIT
set -eo pipefail
"""


@dataclass(frozen=True)
class World:
    """The machine. Variables and directory last from one block to the next, as in a terminal."""

    root: Path
    model_url: str

    @property
    def home(self) -> Path:
        """HOME."""
        return self.root / "home"

    @property
    def repository(self) -> Path:
        """The repository in which every page begins."""
        return self.home / "shop"

    @property
    def data(self) -> Path:
        """The data directory that commands find by themselves."""
        return self.home / ".local" / "share" / "ai-orchestrator"

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """A block as a person would type it; what it printed is on standard output."""
        prelude = _SESSION.format(state=self.root / "state")
        return subprocess.run(
            ["/bin/bash", "-c", prelude + script.replace(MODEL_URL, self.model_url)],
            env={
                "PATH": f"{self.root / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.home),
                "TMPDIR": str(self.root / "tmp"),
                "XDG_RUNTIME_DIR": str(self.root / "tmp"),
                "LANG": "C.UTF-8",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_LIMIT_S,
            check=False,
        )

    def normal(self, text: str) -> list[str]:
        """The lines without what differs between two runs: ids, commits, numbers, places, gaps."""
        text = text.replace(str(self.home), SHOWN_HOME)
        text = re.sub(r"t-[0-9a-z]{26}|(?<=task )[0-9a-z]{8}\b|(?<=ai/)[0-9a-z]{8}-", "#", text)
        text = re.sub(r"\b[0-9a-f]{10}\b|\b\w*\d\w*(\.\d\w*)?", "#", text)
        return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@contextmanager
def world(root: Path, model_url: str) -> Iterator[World]:
    """A fresh machine; in the end no process of it is left."""
    for name in ("bin", "tmp", "state", "home/.config/ai-orchestrator"):
        (root / name).mkdir(parents=True)
    made = World(root, model_url)
    make_repository(made.repository)
    (made.home / ".config/ai-orchestrator/agents.yaml").write_text(_CONFIGURATION)
    (made.home / ".gitconfig").write_text("[user]\nname = You\nemail = you@example.org\n")
    (root / "state" / "directory").write_text(str(made.repository))
    program = root / "bin" / "ai-orchestrator"
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    try:
        yield made
    finally:
        for socket in root.rglob("runner.sock"):
            _end_runner(socket)
    wait_for(lambda: not _others(root), f"the end of all processes in {root}")


def _end_runner(socket: Path) -> None:
    try:
        HttpBackend(UnixTransport(socket)).drain()
    except UnreachableError:
        return
    wait_for(lambda: not is_held(socket.with_name("lock")), f"the end of the runner at {socket}")


def _others(root: Path) -> list[int]:
    return [pid for pid in processes_naming(str(root)) if pid != os.getpid()]
