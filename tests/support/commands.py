"""The command line as a person types it: a process of its own, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    def types(self, *words: str, cwd: Path | None = None) -> Typed:
        """Runs `ai-orchestrator WORDS` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "ai_orchestrator.cli", *words],
            cwd=cwd or self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return Typed(done.returncode, done.stdout, done.stderr)
