"""The command line as a person types it: a process of its own, in an environment of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ai_orchestrator.base.lockfile import holder, is_held
from tests.support.configuration import shell_agent
from tests.support.server import wait_for

DEADLINE_S = 120.0


@dataclass(frozen=True)
class Typed:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json_lines(self) -> list[Any]:
        """Every line of stdout, parsed."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Person:
    """Somebody with a home, a data directory and nothing else in their environment."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data directory of their commands."""
        return self.home / "data"

    @property
    def environment(self) -> dict[str, str]:
        """All variables of their commands."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AI_ORCHESTRATOR_HOME": str(self.data),
            **self.variables,
        }

    def types(self, *words: str, cwd: Path | None = None, deadline_s: float = DEADLINE_S) -> Typed:
        """Runs `ai-orchestrator WORDS` to its end, which must come before the deadline."""
        with self.begins(*words, cwd=cwd) as command:
            try:
                out, err = command.communicate(timeout=deadline_s)
            except BaseException:
                command.kill()
                raise
        return Typed(command.returncode, out, err)

    def types_in_shell(self, script: str, *, cwd: Path) -> Typed:
        """Runs a line of shell in which `"$@"` is `ai-orchestrator`."""
        program = (sys.executable, "-m", "ai_orchestrator.cli")
        done = subprocess.run(
            ["sh", "-c", script, "sh", *program],
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return Typed(done.returncode, done.stdout, done.stderr)

    def begins(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """The same command while it runs; its output can be read."""
        return subprocess.Popen(
            [sys.executable, "-m", "ai_orchestrator.cli", *words],
            cwd=cwd or self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def writes(self, document: dict[str, Any]) -> Path:
        """A configuration of theirs, which every command of theirs finds."""
        path = self.home / ".config" / "ai-orchestrator" / "agents.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        off = {name: {"enabled": False} for name in ("claude", "codex", "gemini", "copilot")}
        agents = {**off, **document.get("agents", {})}
        path.write_text(json.dumps({**document, "agents": agents}))
        return path

    def has_agent(self, script: str, *, others: dict[str, Any] | None = None, **more: Any) -> Path:
        """A configuration with one agent, a line of shell, and perhaps others beside it."""
        return self.writes({"agents": {"coder": shell_agent(script), **(others or {})}, **more})

    @property
    def runner_pid(self) -> int | None:
        """The process of the runner of their data directory; None when none runs."""
        lock = self.data / "lock"
        info = holder(lock) if is_held(lock) else None
        return None if info is None else int(info["pid"])

    def ends_runner(self) -> None:
        """No process of theirs is left."""
        pid = self.runner_pid
        if pid is not None:
            for number in (signal.SIGCONT, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            wait_for(lambda: not is_held(self.data / "lock"), "the runner's end")
