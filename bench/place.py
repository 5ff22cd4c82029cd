"""Where it is measured: repositories, configurations and data directories of the run's own.

Everything lies in one temporary directory; every runner that is started here is ended here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.configuration import shell_agent
from tests.support.repository import git, make_repository
from tests.support.server import wait_for

from ai_orchestrator.base.lockfile import holder, is_held

PROGRAM = Path(sys.executable).with_name("ai-orchestrator")
COMMAND_LIMIT_S = 60.0
INSTANT = "echo $$ >> out.txt; echo done"
"""An agent that does as little as an agent can: it changes one file."""
OTHERS = {name: {"enabled": False} for name in ("claude", "codex", "gemini", "copilot", "builtin")}


def timed_s(action: Callable[[], object]) -> float:
    """Seconds that the action took."""
    began_s = time.perf_counter()
    action()
    return time.perf_counter() - began_s


def timed_ms(action: Callable[[], object]) -> float:
    """Milliseconds that the action took."""
    return timed_s(action) * 1000


def files(count: int) -> dict[str, str]:
    """So many small files, 50 to a folder."""
    return {f"d{number // 50}/f{number}.py": f"x = {number}\n" * 20 for number in range(count)}


def _made(path: Path, count: int) -> Path:
    """Packed, as what people clone is; git must not begin to pack it by itself meanwhile."""
    make_repository(path, {"README": "A repository to measure with.\n"})
    git(path, "config", "gc.auto", "0")
    for name, content in files(count).items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(content)
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "files")
    git(path, "gc", "-q")
    return path


@dataclass(frozen=True, slots=True)
class Place:
    """A temporary directory with what the measurements need in it."""

    root: Path

    def repository(self, count: int) -> Path:
        """A repository with so many files, made at the first call."""
        path = self.root / f"repository-{count}"
        return path if path.exists() else _made(path, count)

    def configuration(self) -> Path:
        """A workflow of one step, with the instant agent and nothing to verify."""
        path = self.root / "agents.yaml"
        document = {
            "agents": {**OTHERS, "coder": shell_agent(INSTANT, role="implementation")},
            "workflows": {"one": {"success": "changed+verified", "steps": [{"task": "implement"}]}},
            "verify": [],
        }
        path.write_text(json.dumps(document))
        return path

    def data(self, name: str) -> DataPlace:
        """A data directory that does not exist yet, with a home of its own."""
        return DataPlace(self.root / name)


@dataclass(frozen=True, slots=True)
class DataPlace:
    """A data directory, and the command line that works on it."""

    root: Path

    @property
    def directory(self) -> Path:
        """The data directory."""
        return self.root / "data"

    def run(self, *arguments: str) -> None:
        """Runs the command line to its end. Raises where it fails."""
        self.root.mkdir(parents=True, exist_ok=True)
        _checked([str(PROGRAM), *arguments], self._environment())

    def stop(self) -> None:
        """Ends the runner of the directory, if there is one, and waits for it."""
        lock = self.directory / "lock"
        if not is_held(lock):
            return
        pid = (holder(lock) or {}).get("pid")
        if isinstance(pid, int):
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not is_held(lock), "the runner's end")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "AI_ORCHESTRATOR_HOME": str(self.directory),
        }


def run_quietly(argv: Sequence[str]) -> None:
    """Runs a program to its end, as the shell would. Raises where it fails."""
    _checked(argv, {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"})


def _checked(argv: Sequence[str], env: dict[str, str]) -> None:
    done = subprocess.run(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()[-300:]
        raise RuntimeError(f"{Path(argv[0]).name} {argv[1]}: exit {done.returncode}: {said}")
