"""Caches that several runs of one installed program share, filled once. Called by the host.

An agent sees such a cache read-only: otherwise one task could plant a program for the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from ai_orchestrator.agents.base import FoundProgram, Preparation
from ai_orchestrator.base.command import Command, Spawner
from ai_orchestrator.base.errors import EnvironmentProblemError, shorten
from ai_orchestrator.base.running import run

FILL_TIMEOUT_S = 120.0
_LIMIT_BYTES = 4000


async def filled(
    root: Path, name: str, found: FoundProgram, preparation: Preparation, spawner: Spawner
) -> Path:
    """The cache of this installation of the agent `name`, filled where it was not.

    Two that fill it at once do so apart; the first one's stays. Raises `EnvironmentProblemError`.
    """
    target = root / f"{name}-{await asyncio.to_thread(_fingerprint, found)}"
    if target.is_dir():
        return target
    filling = root / f".{target.name}.{os.urandom(6).hex()}"
    try:
        await asyncio.to_thread(_make_places, filling)
        argv = (*found.argv, *preparation.arguments)
        await _fill(filling, name, argv, preparation, spawner)
        with contextlib.suppress(OSError):  # somebody else was first: theirs is as good
            (filling / "cache").rename(target)
    finally:
        await asyncio.to_thread(shutil.rmtree, filling, ignore_errors=True)
    return target


async def _fill(
    filling: Path, name: str, argv: tuple[str, ...], preparation: Preparation, spawner: Spawner
) -> None:
    command = Command(
        argv=argv,
        cwd=filling,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(filling / "home"),
            "TMPDIR": str(filling / "tmp"),
            **preparation.env,
            preparation.variable: str(filling / "cache"),
        },
        tree=f"prepare-{name}-{os.urandom(6).hex()}",
    )
    done = await run(spawner, command, timeout_s=FILL_TIMEOUT_S, limit_bytes=_LIMIT_BYTES)
    if not done.exit.is_success:
        said = shorten((done.stderr or done.stdout).decode("utf-8", "replace"))
        raise EnvironmentProblemError(
            f"agent {name}: `{' '.join(argv)}` could not fill its cache: {said}",
            hint="Is there disk space, and does the program start by itself?",
        )


def _make_places(filling: Path) -> None:
    for place in ("cache", "home", "tmp"):
        (filling / place).mkdir(parents=True)


def _fingerprint(found: FoundProgram) -> str:
    """Another one for another installation: path, size and time of the program."""
    state = Path(found.argv[0]).stat()
    text = f"{found.argv[0]} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
