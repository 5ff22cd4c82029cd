"""What this machine offers and lacks, each with what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from ai_orchestrator.agents.survey import AgentStatus
from ai_orchestrator.base.errors import (
    EnvironmentProblemError,
    OrchestratorError,
    UnreachableError,
    shorten,
)
from ai_orchestrator.base.lockfile import holder, is_held
from ai_orchestrator.base.own_directory import make_usable
from ai_orchestrator.base.process import Command, DirectSpawner, describe_containment, run
from ai_orchestrator.base.sandbox import find_bubblewrap, probe_bubblewrap
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.model.task import ServerInfo
from ai_orchestrator.services.read_only import DATABASE
from ai_orchestrator.store.engine import open_read_only
from ai_orchestrator.workspace.disk import RESERVE_BYTES

LEAST_GIT = (2, 34)
LEAST_FREE_BYTES = 2 * 2**30
_SQLITE_HEAD = b"SQLite format 3\0"
"""Database File Format, section 1.3: the first 16 bytes."""
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    level: Literal["ok", "warn", "fail"]
    detail: str
    next_command: str = ""


LookAtRunner = Callable[[], ServerInfo | None]
"""Who answers within a moment, None where nobody listens; raises `OrchestratorError` for silence
and where it cannot be asked."""


SurveyAgents = Callable[[], Sequence[AgentStatus]]
"""The agents of the configuration; raises `OrchestratorError` where that cannot be used."""


def examine(
    data_dir: Path, environment: Environment, look: LookAtRunner, survey: SurveyAgents
) -> Iterator[Check]:
    """The checks as they finish. Nothing is changed but the data directory's existence."""
    yield _python()
    yield _git(environment)
    yield _sandbox()
    yield _containment()
    yield _directory(data_dir)
    yield _disk(data_dir)
    yield _database(data_dir / DATABASE)
    yield _runner(data_dir / "lock", look)
    yield _agents(survey)


def _agents(survey: SurveyAgents) -> Check:
    try:
        statuses = survey()
    except OrchestratorError as error:
        told = f"the configuration cannot be used: {shorten(error.message)}"
        return Check("agents", "fail", told, "ai-orchestrator validate")
    ready = [status.name for status in statuses if status.is_ready]
    if not ready:
        told = f"none of {len(statuses)} is ready, so only the demo can run"
        return Check("agents", "warn", told, "ai-orchestrator agents")
    return Check("agents", "ok", f"{len(ready)} of {len(statuses)} ready: {', '.join(ready)}")


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
        make_usable(data_dir)
    except EnvironmentProblemError as error:
        return Check("data directory", "fail", f"{error.message} {error.hint}")
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
    if free < RESERVE_BYTES:
        least = f"{RESERVE_BYTES >> 20} MiB"
        detail = f"{free / 2**20:.0f} MiB free: no task starts below {least}"
        return Check("disk", "fail", detail, "ai-orchestrator gc")
    if free < LEAST_FREE_BYTES:
        return Check("disk", "warn", f"{shown}: little for trees", "ai-orchestrator gc")
    return Check("disk", "ok", shown)


def _database(path: Path) -> Check:
    """Its head and its tables are read; a damaged page elsewhere is not found by that."""
    try:
        if not path.exists():
            return Check("database", "ok", "none yet; the first task makes it")
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_HEAD))
        if head and head != _SQLITE_HEAD:
            return _broken(path, "is not a SQLite database")
        engine = open_read_only(path)
        try:
            with engine.connect() as connection:
                tables = sa.inspect(connection).get_table_names()
        finally:
            engine.dispose()
    except (OSError, sa.exc.SQLAlchemyError, EnvironmentProblemError) as error:
        return _broken(path, f"cannot be read: {shorten(str(getattr(error, 'orig', error)))}")
    return Check("database", "ok", f"{path}, {len(tables)} tables")


def _broken(path: Path, what: str) -> Check:
    advice = (
        "restore a backup of the data directory, or move the file away: tasks are forgotten then"
    )
    return Check("database", "fail", f"{path} {what}; {advice}")


def _runner(lock: Path, look: LookAtRunner) -> Check:
    try:
        if not is_held(lock):
            return Check("runner", "ok", "none runs; `run` starts one")
        info = look()
    except UnreachableError:
        pid = (holder(lock) or {}).get("pid")
        return Check(
            "runner",
            "fail",
            f"pid {pid} holds {lock} and does not answer: it stands still",
            f"kill -9 {pid}",
        )
    except (OSError, OrchestratorError) as error:
        return Check("runner", "fail", f"cannot be asked: {error}")
    if info is None:
        pid = (holder(lock) or {}).get("pid")
        return Check("runner", "warn", f"pid {pid} starts or ends just now: nobody answers yet")
    return Check("runner", "ok", f"pid {info.pid}, release {info.release}")
