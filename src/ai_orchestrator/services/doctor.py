"""What this machine offers and lacks, each with what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ai_orchestrator.base.lockfile import acquire, holder
from ai_orchestrator.base.process import Command, DirectSpawner, describe_containment, run
from ai_orchestrator.base.sandbox import find_bubblewrap, probe_bubblewrap
from ai_orchestrator.config.environment import Environment

LEAST_GIT = (2, 34)
LEAST_FREE_BYTES = 2 * 2**30
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    level: Literal["ok", "warn", "fail"]
    detail: str
    next_command: str = ""


def examine(data_dir: Path, environment: Environment) -> Iterator[Check]:
    """The checks as they finish. Nothing is changed but the data directory's existence."""
    yield _python()
    yield _git(environment)
    yield _sandbox()
    yield _containment()
    yield _directory(data_dir)
    yield _disk(data_dir)
    yield _runner(data_dir)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", "ok", f"{version} at {sys.executable}")


def _git(environment: Environment) -> Check:
    program = shutil.which("git", path=environment.get("PATH"))
    if program is None:
        return Check("git", "fail", "is not installed: no task can run", "apt-get install git")
    said = asyncio.run(_output(program, "--version"))
    words = [word for word in said.split() if word[:1].isdigit()]
    version = tuple(int(part) for part in words[0].split(".")[:2]) if words else (0, 0)
    if version < LEAST_GIT:
        wanted = ".".join(map(str, LEAST_GIT))
        return Check("git", "fail", f"{said} is older than {wanted}", "apt-get install git")
    return Check("git", "ok", f"{said} at {program}")


async def _output(*argv: str) -> str:
    command = Command(argv, Path("/"), {"PATH": _SYSTEM_PATH}, f"doctor-{os.getpid()}")
    done = await run(DirectSpawner(), command, timeout_s=20.0, limit_bytes=4096)
    return done.stdout.decode("utf-8", "replace").strip()


def _sandbox() -> Check:
    program = find_bubblewrap(_SYSTEM_PATH)
    if program is None:
        return Check(
            "sandbox",
            "fail",
            "bubblewrap is not installed: tasks need --sandbox off, which protects nothing",
            "apt-get install bubblewrap",
        )
    probe = asyncio.run(probe_bubblewrap(DirectSpawner(), program))
    return Check("sandbox", "ok" if probe.is_working else "fail", probe.reason)


def _containment() -> Check:
    found = describe_containment()
    if found.kind == "cgroup":
        return Check("process trees", "ok", f"each in a cgroup below {found.path}")
    return Check(
        "process trees",
        "warn",
        f"found by a walk of the process list, not by cgroup: {found.reason}",
    )


def _directory(data_dir: Path) -> Check:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return Check("data directory", "fail", f"{data_dir} cannot be made: {error.strerror}")
    if not os.access(data_dir, os.W_OK):
        return Check("data directory", "fail", f"{data_dir} is not writable")
    if data_dir.is_relative_to("/tmp"):  # noqa: S108  # said, not used
        return Check(
            "data directory", "warn", f"{data_dir}: below /tmp Codex's own sandbox does not work"
        )
    return Check("data directory", "ok", str(data_dir))


def _disk(data_dir: Path) -> Check:
    if not data_dir.is_dir():
        return Check("disk", "warn", "unknown, since there is no data directory")
    free = shutil.disk_usage(data_dir).free
    shown = f"{free / 2**30:.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Check("disk", "warn", f"{shown}: little for trees", "ai-orchestrator gc")
    return Check("disk", "ok", shown)


def _runner(data_dir: Path) -> Check:
    lock = data_dir / "lock"
    if not lock.exists():
        return Check("runner", "ok", "none runs; `run` starts one")
    held = acquire(lock)
    if held is not None:
        held.release()
        return Check("runner", "ok", "none runs; `run` starts one")
    info = holder(lock) or {}
    return Check("runner", "ok", f"pid {info.get('pid')}, release {info.get('release')}")
